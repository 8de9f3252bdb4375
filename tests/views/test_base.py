from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from audiossl.views.base import Augmentation, Draw, PerExample
from tests.draws import draws


class Negate(Augmentation):
    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        return {}

    def apply(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return -x


@pytest.mark.parametrize("p", [0.0, 0.3, 0.9, 1.0])
def test_each_example_is_changed_whole_with_the_probability(p: float) -> None:
    x = torch.ones(20_000, 1, 2, 2)
    changed = Negate(p)(x, draws()) < 0
    assert torch.equal(changed, changed[:, :, :1, :1].expand_as(changed))
    assert changed.float().mean().item() == pytest.approx(p, abs=4 * (p * (1 - p) / 20_000) ** 0.5)


def test_integers_include_both_ends() -> None:
    assert set(draws().integers(-1, 2, 500).tolist()) == {-1, 0, 1, 2}


def test_integers_up_to_a_limit_of_their_own_are_uniform() -> None:
    high = torch.tensor([0, 1, 4]).expand(20_000, 3)
    found = draws().up_to(high)
    for column, limit in zip(found.T, (0, 1, 4), strict=True):
        share = torch.bincount(column, minlength=limit + 1) / 20_000
        torch.testing.assert_close(share, torch.full((limit + 1,), 1 / (limit + 1)), rtol=0, atol=0.012)


def test_log_uniform_numbers_are_uniform_in_their_logarithm() -> None:
    found = draws().log_uniform(1, 16, 20_000).log2()
    quantiles = torch.quantile(found, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(quantiles, torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]), rtol=0, atol=0.06)


class Scale(Augmentation):
    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        return {"factor": draw.uniform(2, 3, len(x))}

    def apply(self, x: Tensor, factor: Tensor) -> Tensor:  # type: ignore[override]
        return x * factor[:, None]


class ScaleChosen(PerExample, Scale):
    pass


@pytest.mark.parametrize("p", [0.0, 0.1, 0.6, 1.0])
def test_computing_only_the_chosen_examples_changes_nothing(p: float) -> None:
    x = torch.rand(9, 4)
    before = x.clone()
    for seed in range(5):
        assert torch.equal(ScaleChosen(p)(x, draws(seed)), Scale(p)(x, draws(seed)))
    assert torch.equal(x, before)
