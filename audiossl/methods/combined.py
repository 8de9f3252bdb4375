"""Several methods on one encoder."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from audiossl.errors import RecipeError
from audiossl.methods.base import At, Embed, Method, Rate, ViewPlan
from audiossl.methods.singles import SINGLE
from audiossl.recipe.methods import CombinedConfig


class Combined(Method[CombinedConfig]):
    """The weighted sum of its parts' losses (Doersch and Zisserman 2017); each part runs the encoder for itself."""

    @classmethod
    def view_plan(cls, config: CombinedConfig) -> ViewPlan:
        """The most that any part asks for (raises `RecipeError` where short views of two lengths are wanted)."""
        plans = [SINGLE[type(part.method)].view_plan(part.method) for part in config.parts]
        shares = sorted({plan.short_share for plan in plans if plan.short})
        if len(shares) > 1:
            raise RecipeError(
                f"method.parts: short views of shares {' and '.join(map(str, shares))} cannot go together; "
                "write the same share in all parts"
            )
        return ViewPlan(
            views=max(plan.views for plan in plans),
            short=max(plan.short for plan in plans),
            short_share=shares[0] if shares else ViewPlan.short_share,
            waveforms=max(plan.waveforms for plan in plans),
            text=any(plan.text for plan in plans),
        )

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Build the parts around the one encoder."""
        partner = self._modules.pop("partner", None)
        parts = []
        for config in (part.method for part in self.config.parts):
            second = partner if hasattr(config, "partner") else None
            part = SINGLE[type(config)](config, self.encoder, embedding_dim, n_items, second)
            # A plain attribute instead of a submodule: the encoder stands in the state dict once, as `encoder`.
            part.__dict__["encoder"] = part._modules.pop("encoder")
            parts.append(part)
        self.parts = nn.ModuleList(parts)

    @property
    def methods(self) -> list[Method[Any]]:
        """The parts."""
        return [cast(Method[Any], part) for part in self.parts]

    @property
    def names(self) -> list[str]:
        """The parts' names in the logs: `simclr`, and `simclr_2` for a second one."""
        names = [part.method.name for part in self.config.parts]
        earlier = [names[:i].count(name) for i, name in enumerate(names)]
        return [f"{name}_{n + 1}" if n else name for name, n in zip(names, earlier, strict=True)]

    @property
    def head(self) -> Any:
        """The first part's projection head, None where it has none."""
        return getattr(self.methods[0], "head", None)

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The weighted sum; beside it each part's own loss under its name, and what else it logs as `name/...`."""
        total: list[Tensor] = []
        logged: dict[str, Tensor] = {}
        for name, config, part in zip(self.names, self.config.parts, self.methods, strict=True):
            seen = part.loss(choose_views(views, self.plan, part.plan), index, at)
            total.append(config.weight * seen["loss"])
            logged |= {name if key == "loss" else f"{name}/{key}": value for key, value in seen.items()}
        return {"loss": cast(Tensor, sum(total))} | logged

    def before_epoch(self, at: At, embed: Embed) -> None:
        """As each part does."""
        for part in self.methods:
            part.before_epoch(at, embed)

    def after_step(self, at: At) -> None:
        """As each part does."""
        for part in self.methods:
            part.after_step(at)

    def rates(self) -> list[Rate]:
        """Those of all parts."""
        return [rate for part in self.methods for rate in part.rates()]


def choose_views(views: list[Tensor], whole: ViewPlan, part: ViewPlan) -> list[Tensor]:
    """What a part asks for, out of the views of the `whole` plan: the first ones of each kind."""
    chosen, start = [], 0
    for kind in ("views", "short", "waveforms", "text"):
        chosen += views[start : start + int(getattr(part, kind))]
        start += int(getattr(whole, kind))
    return chosen
