"""The cases of the family `generative`."""

from __future__ import annotations

from audiossl.recipe.methods import DenoisingConfig, MaskedModellingConfig, SsGanConfig, VaeConfig
from tests.methods.case import Case
from tests.methods.patterns import PATTERNS

DECODER = (32, 16, 8)

CASES: list[Case] = [
    Case(DenoisingConfig(decoder=DECODER), world=PATTERNS, gain=0.3),
    Case(DenoisingConfig(sigma=0.5, masked=0, decoder=DECODER), world=PATTERNS, gain=0.3, name="gaussian"),
    # Patches normalised one by one would be little but this world's white noise.
    Case(
        MaskedModellingConfig(
            decode_from="embedding", patch=(3, 3), masked=0.5, normalise_patches=False, decoder=DECODER
        ),
        world=PATTERNS,
        gain=0.3,
    ),
    Case(VaeConfig(latent=32, decoder=DECODER), world=PATTERNS, gain=0.3),
    # As many real clips as made ones are within the hinge at first: the bias is pulled as hard one way as the other.
    Case(
        SsGanConfig(transforms="rotations", noise=32, beta=4, generator=DECODER),
        world=PATTERNS,
        lr=4e-3,
        idle=frozenset({"realness.bias"}),
    ),
]
