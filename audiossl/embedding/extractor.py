"""What a row is: which model, which of its layers, pooled over time how. An engine knows no more of a model than this.

Letters: B windows, S samples, U frames in time, R rows per window, D dimensions of a row.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from audiossl.bundle.baseline import Baseline, Model
from audiossl.bundle.bundle import Bundle, Network
from audiossl.devices import choose_device, multiplies_bf16
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.pooling import pool_frames
from audiossl.embedding.precision import PrecisionCheck
from audiossl.encoders.base import Encoder
from audiossl.encoders.inference import inference_form
from audiossl.encoders.layers import LayerReader
from audiossl.errors import UsageError
from audiossl.media import Reader
from audiossl.recipe.schema import EmbeddingConfig


class Extractor(Protocol):
    """A model on its device, and what of it becomes rows.

    Attributes:
        reader: of the files it wants.
        device: where `encode` wants its input.
        embedding_dim: D.
    """

    reader: Reader
    device: torch.device
    embedding_dim: int

    def prepare(self, samples: NDArray[Any]) -> NDArray[Any]:
        """One window's samples as `encode` wants them; they may be repeated to a least length."""

    def rows(self, x_BS: Tensor) -> Tensor:
        """Rows (B, R, D) float32 of prepared windows of one length; R depends on their length alone."""

    def encode(self, x_BS: Tensor) -> Tensor:
        """The same of the windows of a run, which `about` may tell of."""

    def about(self) -> dict[str, Any]:
        """What a store says of the model, and what was measured on the way; decides no number."""

    def parameters(self) -> dict[str, Any]:
        """Everything about the model and its rows that decides a number."""


def make_extractor(model: Model, options: EmbedOptions) -> Extractor:
    """What makes rows of `model` as `options` say.

    Raises:
        UsageError: a device that is not there, or an option that the model cannot follow.
    """
    return BaselineExtractor(model, options) if isinstance(model, Baseline) else BundleExtractor(model, options)


def windows_of(embedding: EmbeddingConfig, options: EmbedOptions) -> EmbeddingConfig:
    """A model's windows with what `options` say otherwise."""
    told = {name: value for name in ("window_s", "hop_s") if (value := getattr(options, name)) is not None}
    for name in told:
        if name not in type(embedding).model_fields:
            raise UsageError(f"the model embeds files that have no time; leave --{name.replace('_', '-')} out")
    return embedding.model_copy(update=told)


def require_rate(reader: Reader, option: str) -> int:
    """The rate of what `reader` reads (raises `UsageError` naming `option` where it has no time)."""
    if reader.rate is None:
        raise UsageError(f"the model embeds files that have no time; leave {option} out")
    return reader.rate


class LayerFacts(NamedTuple):
    """A layer of an encoder: its name, the values of a frame, and the frames that a second of sound has."""

    name: str
    dimensions: int
    frames_per_s: int | None
    """None where time is gone: such a layer gives one row."""


def describe_layers(model: Model) -> list[LayerFacts]:
    """The layers that `EmbedOptions.layer` can name, from input to output; the last frames are the encoder's own.

    Raises:
        UsageError: the model is a baseline.
    """
    if isinstance(model, Baseline):
        raise UsageError(f"{model.name} is no network and has no layers; leave --layer out")
    blank = model.frontend.blank().to(model.device)
    found = []
    for name in model.encoder.layers():
        shape = model.encode(blank, network=LayerReader(model.encoder, name)).shape
        found.append(LayerFacts(name, shape[-1], shape[1] if len(shape) == 3 else None))
    return found


class BundleExtractor:
    """A trained encoder's rows: its embedding, its frames or those of a layer. Moves the bundle to its device."""

    def __init__(self, bundle: Bundle, options: EmbedOptions) -> None:
        self.device = choose_device(options.device)
        self._bundle = bundle.to(self.device)
        self._bf16 = options.precision == "bf16" or (options.precision == "auto" and multiplies_bf16(self.device))
        embedding = windows_of(bundle.recipe.embedding, options)
        self.reader: Reader = bundle.modality.reader(bundle.recipe, embedding, options.nonfinite)
        if options.pool == "none":
            require_rate(self.reader, "--pool none")
        self._layer, self._pool = options.layer, options.pool
        # float32 is there beside bf16, to tell how far apart they are.
        forms = {bf16: inference_form(bundle.encoder, bf16=bf16) for bf16 in {False, self._bf16}}
        self._networks = {bf16: self._network(form) for bf16, form in forms.items()}
        self.embedding_dim = self._settle()
        self._check = PrecisionCheck(lambda x_BS: self._rows(x_BS, bf16=False)) if self._bf16 else None

    def _network(self, encoder: Encoder) -> Network:
        if self._layer is not None:
            return LayerReader(encoder, self._layer)
        return encoder if self._pool is None else encoder.frames

    def _settle(self) -> int:
        """The rows' dimensions; and how a layer is pooled, which hangs on whether it still has time."""
        if self._layer is None and self._pool is None:
            return self._bundle.embedding_dim
        blank = self._bundle.frontend.blank().to(self.device)
        if self._bundle.encode(blank, network=self._networks[False]).dim() == 3:
            self._pool = self._pool or "mean"
        elif self._pool is not None:
            raise UsageError(f"layer {self._layer} has no time left to pool over; leave --pool {self._pool} out")
        return self._rows(blank, bf16=False).shape[2]

    def prepare(self, samples: NDArray[Any]) -> NDArray[Any]:
        """The front end's whole-clip step."""
        prepared: NDArray[Any] = self._bundle.frontend.prepare(samples)
        return prepared

    def rows(self, x_BS: Tensor) -> Tensor:
        """Rows (B, R, D) float32."""
        return self._rows(x_BS, bf16=self._bf16)

    def encode(self, x_BS: Tensor) -> Tensor:
        """The same, compared with exact ones where they are not that."""
        rows_BRD = self.rows(x_BS)
        if self._check is not None:
            self._check.compare(x_BS, rows_BRD)
        return rows_BRD

    def about(self) -> dict[str, Any]:
        """The bundle's description, and how far bf16 was from float32."""
        told = {"torch": torch.__version__, "device": str(self.device), "model": self._bundle.describe()}
        return told if self._check is None else {**told, "precision_check": self._check.found()}

    def parameters(self) -> dict[str, Any]:
        """The bundle's hash, the precision, and what is not the encoder's own embedding."""
        told = {"model": self._bundle.sha256, "precision": "bf16" if self._bf16 else "32"}
        return {**told, **_said(pool=self._pool, layer=self._layer)}

    def _rows(self, x_BS: Tensor, *, bf16: bool) -> Tensor:
        found = self._bundle.encode(x_BS, bf16=bf16, network=self._networks[bf16])
        return found[:, None] if self._pool is None else pool_frames(found, self._pool)


class BaselineExtractor:
    """Plain features of a window, or its bands over time where they are pooled otherwise; on the CPU."""

    device = torch.device("cpu")

    def __init__(self, baseline: Baseline, options: EmbedOptions) -> None:
        for name, wanted, possible in (
            ("layer", options.layer, (None,)),
            ("precision", options.precision, ("32", "auto")),
            ("device", options.device, ("auto", "cpu")),
        ):
            if wanted not in possible:
                raise UsageError(
                    f"{baseline.name} is no network: it has no layers and runs in float32 on the CPU; "
                    f"leave --{name} {wanted} out"
                )
        self._baseline, self._plain, self._pool = baseline, baseline.plain, options.pool
        recipe = self._plain.recipe
        self.reader = baseline.modality.reader(recipe, windows_of(recipe.embedding, options), options.nonfinite)
        self.embedding_dim = self.rows(torch.from_numpy(self._plain.blank())).shape[2]

    def prepare(self, samples: NDArray[Any]) -> NDArray[Any]:
        """As the features want them."""
        return self._plain.prepare(samples)

    def rows(self, x_BS: Tensor) -> Tensor:
        """Rows (B, R, D) float32."""
        if self._pool is None:
            return torch.from_numpy(self._plain.features(x_BS.numpy()))[:, None]
        return pool_frames(torch.from_numpy(self._plain.bands(x_BS.numpy())).transpose(1, 2), self._pool)

    def encode(self, x_BS: Tensor) -> Tensor:
        """The same."""
        return self.rows(x_BS)

    def about(self) -> dict[str, Any]:
        """The baseline's description."""
        return {"torch": torch.__version__, "device": str(self.device), "model": self._baseline.describe()}

    def parameters(self) -> dict[str, Any]:
        """The baseline's hash, and its package's version, so that a difference can be told."""
        told = {"model": self._baseline.sha256, **self._baseline.versions, "precision": "32"}
        return {**told, **_said(pool=self._pool)}


def _said(**parameters: Any) -> dict[str, Any]:
    """Those that have a value: a store of before they were there has none of them either."""
    return {name: value for name, value in parameters.items() if value is not None}
