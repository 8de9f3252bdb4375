"""Losses over clusters against reference values and gradients, closed-form identities, and slow loops.

The records `swav/2crops_joint` are not ours: stable-pretraining shares out both views' samples in one transport, which
is another algorithm than that of the paper and its code.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.assignment import sinkhorn
from audiossl.methods.losses.clustering import cluster_prediction, cosine_scores, swapped_prediction
from tests.methods.losses.reference import check


def swav(params: dict, *inputs: Tensor) -> Tensor:
    *views, prototypes = inputs
    scores = [cosine_scores(z, prototypes) for z in views]
    codes = [sinkhorn(s, params["epsilon"], params["iterations"]) for s in scores[:2]]
    return swapped_prediction(scores, codes, params["temperature"])


GROUPS = {"swav/2crops": swav, "swav/2+2crops": swav}
SWAV = {"temperature": 0.1, "epsilon": 0.05, "iterations": 3}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 5


@pytest.mark.shared
def test_the_joint_transport_of_both_views_is_another_loss(shared):
    with pytest.raises(AssertionError, match="swav/2crops_joint"):
        check(shared, {"swav/2crops_joint": swav})


@pytest.mark.shared
def test_the_reference_value_with_a_queue_is_met(shared):
    arrays = np.load(shared / "reference/losses.npz")
    z1, zc, queue, prototypes = (
        torch.tensor(arrays[f"in/{name}"]).double() for name in ("z1", "zc", "queue", "protos")
    )
    scores = [cosine_scores(z, prototypes) for z in (z1, zc)]
    waiting = cosine_scores(queue, prototypes)
    codes = [sinkhorn(torch.cat([waiting, s]), 0.05, 3)[-64:] for s in scores]
    assert swapped_prediction(scores, codes, 0.1).item() == pytest.approx(2.871221097, rel=1e-9)


@pytest.mark.shared
def test_the_reference_value_and_gradients_of_deepcluster_v2_are_met(shared):
    arrays = np.load(shared / "reference/losses.npz")
    inputs = {name: torch.tensor(arrays[f"in/{name}"]).double().requires_grad_() for name in ("z1", "zc", "protos")}
    scores = [cosine_scores(inputs[view], inputs["protos"])[:, None] for view in ("z1", "zc")]
    loss = cluster_prediction(scores, torch.tensor(arrays["in/dc_assign"])[:, None], 0.1)
    assert loss.item() == pytest.approx(3.910480258, rel=1e-9)
    loss.backward()
    for name, tensor in inputs.items():
        reference = arrays[f"grad/deepclusterv2/t=0.1/ref/{name}"]
        assert np.abs(tensor.grad.numpy() - reference).max() <= 1e-9 * np.abs(reference).max()


@pytest.mark.parametrize("k", [2, 32, 3000])
def test_equal_scores_give_log_of_the_clusters(k):
    scores = [torch.full((8, k), 0.3)] * 4
    codes = [sinkhorn(s, 0.05, 3) for s in scores[:2]]
    assert swapped_prediction(scores, codes, 0.1).item() == pytest.approx(math.log(k), rel=1e-5)
    told = cluster_prediction([s[:, None] for s in scores], torch.zeros(8, 1, dtype=torch.int64), 0.1)
    assert told.item() == pytest.approx(math.log(k), rel=1e-5)


def test_swapped_prediction_equals_a_slow_loop():
    scores = list(noise(4, 5, 3))
    codes = [sinkhorn(s, 0.5, 3) for s in scores[:2]]
    total, pairs = 0.0, [(u, v) for u in range(2) for v in range(4) if u != v]
    for u, v in pairs:
        for n in range(5):
            below = sum(math.exp(float(score) / 0.3) for score in scores[v][n])
            for k in range(3):
                total -= float(codes[u][n, k]) * math.log(math.exp(float(scores[v][n, k]) / 0.3) / below)
    assert swapped_prediction(scores, codes, 0.3).item() == pytest.approx(total / 5 / len(pairs), rel=1e-12)


def test_cluster_prediction_equals_a_slow_loop():
    scores, labels = list(noise(3, 5, 2, 4)), torch.arange(10).view(5, 2) % 4
    total = 0.0
    for view in scores:
        for n in range(5):
            for h in range(2):
                below = sum(math.exp(float(score) / 0.3) for score in view[n, h])
                total -= math.log(math.exp(float(view[n, h, labels[n, h]]) / 0.3) / below)
    assert cluster_prediction(scores, labels, 0.3).item() == pytest.approx(total / 30, rel=1e-12)


def test_a_view_never_predicts_its_own_codes():
    """With codes of the first view only, its own scores get no gradient."""
    scores = [s.requires_grad_() for s in noise(3, 6, 4)]
    swapped_prediction(scores, [sinkhorn(scores[0], 0.05, 3)], 0.1).backward()
    assert scores[0].grad is None
    assert all(s.grad.abs().max() > 0 for s in scores[1:])


def test_order_of_clusters_clips_and_whole_views_does_not_matter():
    z, prototypes = noise(3, 20, 8), F.normalize(noise(6, 8, seed=1), dim=1)
    base = swav(SWAV, *z, prototypes)
    clips, clusters = torch.randperm(20), torch.randperm(6)
    assert torch.allclose(swav(SWAV, *z[:, clips], prototypes[clusters]), base, rtol=1e-12)
    assert torch.allclose(swav(SWAV, z[1], z[0], z[2], prototypes), base, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite_at_the_hardest_settings(dtype):
    views = [noise(32, 16, seed=i).to(dtype).requires_grad_() for i in range(3)]
    prototypes = F.normalize(noise(24, 16, seed=9), dim=1).to(dtype).requires_grad_()
    loss = swav({"temperature": 0.05, "epsilon": 0.03, "iterations": 3}, *views, prototypes)
    told = cluster_prediction([cosine_scores(views[0], prototypes)[:, None]], torch.arange(32)[:, None] % 24, 0.05)
    (loss + told).backward()
    assert loss.dtype == told.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(told)
    assert all(torch.isfinite(x.grad).all() for x in (*views, prototypes))


def test_autocast_does_not_lower_the_precision():
    views, prototypes = list(noise(3, 32, 16).float()), F.normalize(noise(8, 16, seed=1).float(), dim=1)
    hard = {"temperature": 0.05, "epsilon": 0.03, "iterations": 3}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = swav(hard, *views, prototypes)
    assert inside == swav(hard, *views, prototypes)


def test_gradients_are_those_of_finite_differences():
    codes = [sinkhorn(noise(5, 3, seed=i), 0.5, 3) for i in range(2)]
    scores = [s.requires_grad_() for s in noise(3, 5, 3, seed=2)]
    assert torch.autograd.gradcheck(lambda *s: swapped_prediction(list(s), codes, 0.3), scores)
    heads = noise(5, 2, 3, seed=3).requires_grad_()
    labels = torch.arange(10).view(5, 2) % 3
    assert torch.autograd.gradcheck(lambda s: cluster_prediction([s, s * 2], labels, 0.3), heads)
