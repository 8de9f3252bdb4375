"""Several methods on one encoder, each a section of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from audiossl.recipe.base import Config, Positive
from audiossl.recipe.methods.base import MethodBase

if TYPE_CHECKING:  # the union of all methods is completed after this file, and with it these Configs
    from audiossl.recipe.methods import SingleMethodConfig


class Part(Config):
    """A method of several."""

    weight: Positive = 1.0
    """What its loss is multiplied by."""
    method: SingleMethodConfig
    """Any method but a combined one."""


class CombinedConfig(MethodBase):
    """Several methods on one encoder (Doersch and Zisserman 2017): the weighted sum of their losses.

    Its bundle is that of the encoder; what a part trains beside it, such as the text encoder of `clip`, stays in the
    run's checkpoint.
    """

    family = "combined"
    paper = "Doersch and Zisserman 2017"
    needs = "what its parts need"
    name: Literal["combined"] = "combined"
    parts: Annotated[list[Part], Field(min_length=1)]
    """The methods. The monitors look at the projection head of the first."""

    @model_validator(mode="after")
    def _one_partner(self) -> CombinedConfig:
        with_partner = [part.method.name for part in self.parts if hasattr(part.method, "partner")]
        if len(with_partner) > 1:
            raise ValueError(
                f"{' and '.join(with_partner)} each want a second encoder and there is room for one; take one part out"
            )
        return self

    @property
    def partner(self) -> Config | None:
        """The second encoder of the part that wants one."""
        return next((part.method.partner for part in self.parts if hasattr(part.method, "partner")), None)
