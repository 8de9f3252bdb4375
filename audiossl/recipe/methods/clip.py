"""CLIP: clips and texts in one space. Defaults are the paper's, of a size for small data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from audiossl.recipe.methods.base import HeadSpec, MethodBase
from audiossl.recipe.text_encoders import TextEncoderConfig, TextTransformerConfig


class ClipConfig(MethodBase):
    """CLIP (Radford et al. 2021): a clip and what is said of it come together, the texts of other clips stay away.

    The encoder bundle keeps the text encoder too, so that clips can be told apart by words alone (`zero_shot@1`).
    """

    family = "contrastive"
    paper = "Radford et al. 2021"
    needs = "a text for every clip"
    name: Literal["clip"] = "clip"
    partner: TextEncoderConfig = TextTransformerConfig()
    """The encoder of the texts."""
    head: HeadSpec = "512"
    """From a clip's embedding into the common space; its output is L2-normalised."""
    text_head: HeadSpec = "512"
    """From a text's embedding into the common space, of the same size."""
    temperature: Annotated[float, Field(ge=0.01, le=1)] = 0.07
    """Where it begins; it is learnt and never below 0.01."""

    @model_validator(mode="after")
    def _one_space(self) -> ClipConfig:
        sizes = [[word for word in spec.split() if word.isdigit()][-1] for spec in (self.head, self.text_head)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"head ends in {sizes[0]} and text_head in {sizes[1]}; write the same size for both")
        return self
