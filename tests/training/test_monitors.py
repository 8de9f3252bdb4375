"""Collapse monitors against closed forms, and the kNN probe against a slow loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from audiossl.recipe.training import MonitorConfig
from audiossl.training.monitors import Health, effective_rank, knn_accuracy, measure, scaled_std, warning


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


def test_a_collapsed_embedding_is_warned_of_in_words():
    groups = torch.arange(100)
    collapsed = torch.ones(100, 16) + 1e-4 * torch.randn(100, 16, generator=torch.Generator().manual_seed(3))
    sentence = warning(measure(200, collapsed, None, None, groups, 5), MonitorConfig())
    assert sentence is not None
    assert "step 200" in sentence
    assert "collapsed" in sentence
    spread = torch.randn(100, 16, generator=torch.Generator().manual_seed(4))
    assert warning(measure(200, spread, None, None, groups, 5), MonitorConfig()) is None


def test_a_low_rank_is_caught_even_when_the_deviation_looks_healthy():
    health = Health(step=1, std=0.96, rank=2.0, projection_std=None, projection_rank=None, knn=None)
    assert warning(health, MonitorConfig()) is not None


def test_only_what_was_measured_is_logged():
    health = measure(3, torch.randn(20, 4), None, None, torch.arange(20), 5)
    assert set(health.as_metrics()) == {"monitor/std", "monitor/rank"}
