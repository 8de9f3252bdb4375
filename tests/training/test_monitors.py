"""Collapse monitors against closed forms, and the kNN probe against a slow loop."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from audiossl.recipe.training import MonitorConfig
from audiossl.training.monitors import Health, best, effective_rank, knn_accuracy, measure, scaled_std, warning


@pytest.mark.parametrize("rank", [1, 3, 10])
def test_effective_rank_of_equal_singular_values_is_their_number(rank):
    basis = torch.linalg.qr(torch.randn(40, 10, generator=torch.Generator().manual_seed(0))).Q
    assert effective_rank(basis[:, :rank] @ torch.eye(10)[:rank]) == pytest.approx(rank, rel=1e-4)


def test_effective_rank_of_nothing_is_one():
    assert effective_rank(torch.zeros(5, 4)) == 1.0


def test_effective_rank_in_closed_form():
    assert effective_rank(torch.eye(16)) == pytest.approx(16, rel=1e-5)
    assert effective_rank(torch.outer(torch.arange(1.0, 9), torch.ones(5))) == pytest.approx(1, rel=1e-4)
    values = torch.tensor([0.5, 0.25, 0.25])
    expected = float(torch.exp(-(values * values.log()).sum()))
    assert effective_rank(torch.diag(values)) == pytest.approx(expected, rel=1e-6)


def test_scaled_std_is_one_on_the_sphere_and_zero_at_a_point():
    z = torch.randn(20_000, 16, generator=torch.Generator().manual_seed(1))
    assert scaled_std(z) == pytest.approx(1, abs=0.01)
    assert scaled_std(torch.ones(10, 4)) == pytest.approx(0, abs=1e-7)
    assert scaled_std(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(2**0.5 / 2)


def test_knn_equals_a_slow_loop():
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(60, 5, generator=generator)
    labels = torch.randint(-1, 4, (60,), generator=generator)
    groups = torch.randint(0, 12, (60,), generator=generator)
    unit = F.normalize(z, dim=1)
    right, counted = 0, 0
    for i in range(60):
        if labels[i] < 0:
            continue
        others = [j for j in range(60) if labels[j] >= 0 and groups[j] != groups[i]]
        nearest = sorted(others, key=lambda j: -float(unit[i] @ unit[j]))[:7]
        votes = [0.0] * 4
        for j in nearest:
            votes[int(labels[j])] += math.exp(float(unit[i] @ unit[j]) / 0.07)
        right += votes.index(max(votes)) == int(labels[i])
        counted += 1
    assert knn_accuracy(z, labels, groups, 7) == pytest.approx(right / counted)


def health(**told) -> Health:
    return Health(
        **{"step": 1, "std": 0.9, "rank": 90.0, "projection_std": 0.9, "projection_rank": 90.0, "knn": None, **told}
    )


def seen(z: torch.Tensor, step: int = 200) -> Health:
    return measure(step, z, None, None, torch.arange(len(z)), 5)


def test_a_collapsed_embedding_is_warned_of_in_words():
    collapsed = torch.ones(100, 16) + 1e-4 * torch.randn(100, 16, generator=torch.Generator().manual_seed(3))
    sentence = warning(seen(collapsed), None, MonitorConfig())
    assert "step 200: the embedding looks collapsed" in sentence
    spread = torch.randn(100, 16, generator=torch.Generator().manual_seed(4))
    assert warning(seen(spread), None, MonitorConfig()) is None


@pytest.mark.parametrize(
    ("lost", "what"),
    [({"std": 0.1}, "embedding"), ({"rank": 3.0}, "embedding"), ({"projection_std": 0.1}, "projection")],
)
def test_one_low_measure_is_enough_and_is_named(lost, what):
    assert f"the {what} looks collapsed" in warning(health(**lost), health(), MonitorConfig())


def test_a_low_rank_is_caught_even_when_the_deviation_looks_healthy():
    assert warning(health(projection_std=0.96, projection_rank=2.0), health(), MonitorConfig()) is not None


# Measured on 1,000 and on 20 clips of ESC-50: AudioNTT2020 and ResNet-18 before training, AudioNTT2020 after it.
UNTRAINED = [
    health(std=0.170, rank=44.8, projection_std=0.057, projection_rank=8.1),
    health(std=0.142, rank=5.1, projection_std=0.047, projection_rank=2.1),
    health(std=0.108, rank=3.7, projection_std=0.130, projection_rank=3.7),
]


@pytest.mark.parametrize("untrained", UNTRAINED)
def test_an_untrained_network_is_not_collapsed_and_a_collapsed_one_is(untrained):
    assert warning(untrained, untrained, MonitorConfig()) is None
    trained = health(std=0.45, rank=113.1, projection_std=0.797, projection_rank=114.1)
    assert warning(trained, untrained, MonitorConfig()) is None
    for name in ("std", "rank", "projection_std", "projection_rank"):
        low = min(getattr(untrained, name), getattr(MonitorConfig(), f"min_{name.removeprefix('projection_')}"))
        collapsed = replace(untrained, **{name: 0.4 * low})
        assert warning(collapsed, untrained, MonitorConfig()) is not None, name
    assert warning(untrained, None, MonitorConfig()) is not None


def test_a_projection_that_appears_later_is_judged_by_itself():
    without = health(projection_std=None, projection_rank=None)
    assert warning(without, health(), MonitorConfig()) is None
    assert warning(health(projection_rank=3.0), without, MonitorConfig()) is not None


def test_a_measure_that_rose_and_fell_again_is_compared_with_its_height():
    early = health(projection_std=0.10, projection_rank=11.4)
    height = best(early, health(step=12, projection_std=0.30, projection_rank=15.7, std=0.5))
    assert (height.step, height.projection_std, height.projection_rank, height.std) == (12, 0.30, 15.7, 0.9)
    later = health(projection_std=0.12, projection_rank=7.0)
    assert warning(later, early, MonitorConfig()) is None
    assert warning(later, height, MonitorConfig()) is not None


def test_the_best_of_one_moment_is_itself():
    without = health(projection_std=None, projection_rank=None, knn=0.3)
    assert best(None, without) == without
    assert best(health(knn=0.4), without).projection_std is None
    assert best(without, health(knn=0.2)) == health(knn=0.3)


def test_only_what_was_measured_is_logged():
    health = measure(3, torch.randn(20, 4), None, None, torch.arange(20), 5)
    assert set(health.as_metrics()) == {"monitor/std", "monitor/rank"}
