"""Contrastive methods: the other clips are pushed away. Defaults are the papers'."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Auto, Config, Count, NonNegative, Positive
from audiossl.recipe.methods.base import HeadSpec, MethodBase, Momentum

TauPlus = Annotated[float, Field(ge=0, lt=1)]
"""How likely another clip is of the same class, e.g. 0.02 for 50 even classes."""


class NtXentConfig(Config):
    """The loss of SimCLR itself."""

    name: Literal["ntxent"] = "ntxent"


class DecoupledConfig(Config):
    """Decoupled (Yeh et al. 2021): the positive is left out of the denominator, which helps small batches."""

    name: Literal["decoupled"] = "decoupled"
    sigma: Positive | None = None
    """Pairs that already agree pull less, the more so the smaller this is (0.5 in the paper); none: all pull alike."""


class DebiasedConfig(Config):
    """Debiased (Chuang et al. 2020): corrects for the negatives that are of the anchor's own class."""

    name: Literal["debiased"] = "debiased"
    tau_plus: TauPlus = 0.1


class HardNegativesConfig(Config):
    """Hard negatives (Robinson et al. 2021): negatives near the anchor count more, debiased as well."""

    name: Literal["hard_negatives"] = "hard_negatives"
    tau_plus: TauPlus = 0.1
    beta: NonNegative = 1.0
    """How much more near negatives count; 0 counts all alike."""


SimClrVariant = Annotated[
    NtXentConfig | DecoupledConfig | DebiasedConfig | HardNegativesConfig, Field(discriminator="name")
]


class SimClrConfig(MethodBase):
    """SimCLR (Chen et al. 2020): NT-Xent over the two views of a batch, as in Fonseca et al. 2021."""

    family = "contrastive"
    paper = "Chen et al. 2020"
    name: Literal["simclr"] = "simclr"
    temperature: Positive = 0.2
    head: HeadSpec = "512 bn relu 512"
    """Projection head; its output is L2-normalised."""
    variant: SimClrVariant = NtXentConfig()
    """The form of the loss: ntxent, decoupled, debiased or hard_negatives."""


class NpidConfig(MethodBase):
    """NPID (Wu et al. 2018): every clip is a class of its own, told apart from a bank of all clips' embeddings."""

    family = "contrastive"
    paper = "Wu et al. 2018"
    needs = "one view of a clip, and a bank with a row for each"
    name: Literal["npid"] = "npid"
    form: Literal["softmax", "nce"] = "softmax"
    """softmax over the bank, or the paper's noise-contrastive estimate of it, which learns a little less."""
    negatives: Count | Auto = "auto"
    """Rows drawn from the bank for each clip (4096 in the paper); softmax takes all where this is no fewer."""
    temperature: Positive = 0.07
    momentum: Momentum = 0.5
    """Share of a clip's row that stays when the clip is seen again."""
    head: HeadSpec = "128"


class BilinearConfig(Config):
    """a^T W b of both projections after LayerNorm and tanh, with a learnt W and no temperature."""

    name: Literal["bilinear"] = "bilinear"
    start: Positive = 0.05
    """Deviation of W's entries at the start. Beside a projection of 512 that of the paper's code makes similarities of
    deviation 9, which a short run only unlearns; 0.002 makes them 0.4."""


class CosineSimilarityConfig(Config):
    """The cosine of both projections, divided by a temperature."""

    name: Literal["cosine"] = "cosine"
    temperature: Positive = 0.2


class ColaConfig(MethodBase):
    """COLA (Saeed et al. 2021): which crop of the batch is of the same clip, by a learnt bilinear similarity."""

    family = "contrastive"
    paper = "Saeed et al. 2021"
    name: Literal["cola"] = "cola"
    similarity: Annotated[BilinearConfig | CosineSimilarityConfig, Field(discriminator="name")] = BilinearConfig()
    head: HeadSpec = "512"
