"""Sinkhorn against reference values, marginals and an exact solver; spherical k-means against scikit-learn."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods import assignment
from audiossl.methods.assignment import random_rows, sinkhorn, spherical_kmeans
from tests.methods.losses.reference import family, records


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def of_family(shared, name: str) -> list[dict]:
    return [record for record in records(shared) if family(record) == name]


@pytest.mark.shared
def test_sinkhorn_meets_every_reference_value(shared):
    arrays = np.load(shared / "reference/losses.npz")
    chosen = of_family(shared, "sinkhorn")
    for record in chosen:
        z, prototypes = (torch.tensor(arrays[f"in/{name}"], dtype=torch.float64) for name in record["inputs"])
        scores, params = F.normalize(z, dim=1) @ prototypes.T, record["params"]
        for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
            codes = sinkhorn(scores.to(dtype), params["epsilon"], params["iterations"])
            checksum = (codes * torch.arange(codes.shape[1])).sum().item()
            # vissl and stable-pretraining compute in float32 whatever comes in
            rough = record["library"] in ("vissl", "stable-pretraining")
            assert checksum == pytest.approx(record["value"], rel=1e-7 if rough else tolerance), record["name"]
            if record["arrays"]:
                assert np.abs(codes.numpy() - arrays[f"arr/{record['name']}/Q"]).max() < tolerance
    assert len(chosen) == 18


@pytest.mark.shared
def test_sinkhorn_to_convergence_gives_the_labels_of_sela(shared):
    arrays = np.load(shared / "reference/losses.npz")
    chosen = of_family(shared, "sela")
    logits = torch.tensor(arrays["arr/sela/lamb=25,K=32/authors/P"]).log()
    for record in chosen:
        codes = sinkhorn(logits, 1 / record["params"]["lamb"], 2000, 1e-13)
        labels = codes.argmax(dim=1)
        assert (labels * torch.arange(64)).sum().item() == record["value"], record["name"]
        assert np.array_equal(labels, arrays["arr/sela/lamb=25,K=32/authors/labels"])
        exact = 1e-12 if record["library"] == "ref" else 0.05  # the authors stop at a tolerance of 0.1
        assert np.abs(codes.T.numpy() / 64 - arrays[f"arr/{record['name']}/Q"]).max() < exact
    assert len(chosen) == 2


def test_sinkhorn_equals_the_slow_loop_of_the_paper():
    scores = noise(7, 4)
    q = (scores / 0.3).exp()
    for _ in range(3):
        for k in range(4):
            q[:, k] /= sum(float(q[n, k]) for n in range(7)) * 4
        for n in range(7):
            q[n] /= sum(float(q[n, k]) for k in range(4)) * 7
    assert torch.allclose(sinkhorn(scores, 0.3, 3), q * 7, rtol=1e-12)


@pytest.mark.parametrize("epsilon", [0.03, 0.05, 1.0])
@pytest.mark.parametrize("iterations", [1, 3, 30])
def test_every_sample_is_shared_out_wholly(epsilon, iterations):
    codes = sinkhorn(noise(50, 12), epsilon, iterations)
    assert torch.allclose(codes.sum(dim=1), torch.ones(50, dtype=torch.float64), rtol=0, atol=1e-14)
    assert (codes >= 0).all()


def test_prototypes_become_equally_full_as_iterations_grow():
    scores = noise(60, 12)
    unequal = [float((sinkhorn(scores, 0.3, i).sum(dim=0) - 5).abs().max()) for i in (1, 3, 10, 30, 300)]
    assert unequal == sorted(unequal, reverse=True)
    assert unequal[0] > 0.1
    assert unequal[-1] < 1e-6


def test_a_tolerance_stops_sinkhorn_when_it_is_reached_and_not_before():
    scores = noise(60, 12)
    unequal = [(sinkhorn(scores, 0.3, i).sum(dim=0) / 5 - 1).abs().max() for i in range(1, 40)]
    first = next(i for i, value in enumerate(unequal, start=1) if value <= 0.01)
    assert 3 < first < 30
    assert torch.equal(sinkhorn(scores, 0.3, 1000, 0.01), sinkhorn(scores, 0.3, first))


@pytest.mark.parametrize("iterations", [1, 3])
def test_a_constant_per_prototype_changes_nothing_but_one_per_sample_does(iterations):
    scores, epsilon = noise(20, 6), 0.5
    codes = sinkhorn(scores, epsilon, iterations)
    assert torch.allclose(sinkhorn(scores + noise(1, 6, seed=1), epsilon, iterations), codes, rtol=1e-11, atol=0)
    per_sample = scores + noise(20, 1, seed=2)
    assert (sinkhorn(per_sample, epsilon, iterations) - codes).abs().max() > 1e-3
    assert torch.allclose(sinkhorn(per_sample, epsilon, 2000), sinkhorn(scores, epsilon, 2000), atol=1e-9)


def test_order_of_samples_and_prototypes_does_not_matter():
    scores, rows, columns = noise(20, 6), torch.randperm(20), torch.randperm(6)
    codes = sinkhorn(scores, 0.1, 3)
    assert torch.allclose(sinkhorn(scores[rows][:, columns], 0.1, 3), codes[rows][:, columns], rtol=1e-11)


@pytest.mark.parametrize("k", [2, 32, 3000])
def test_equal_scores_give_uniform_codes(k):
    codes = sinkhorn(torch.full((8, k), 0.7), 0.05, 3)
    assert torch.allclose(codes, torch.full((8, k), 1 / k), rtol=1e-4)
    assert -(codes * codes.log()).sum(dim=1).mean().item() == pytest.approx(math.log(k), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sinkhorn_of_half_precision_scores_is_finite_and_float32(dtype):
    scores = F.normalize(noise(64, 16), dim=1) @ F.normalize(noise(32, 16, seed=1), dim=1).T
    codes = sinkhorn(scores.to(dtype), 0.03, 3)
    assert codes.dtype == torch.float32
    assert torch.isfinite(codes).all()
    assert torch.equal(codes, sinkhorn(scores.to(dtype).float(), 0.03, 3))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(codes, sinkhorn(scores.to(dtype), 0.03, 3))


def test_codes_carry_no_gradient():
    assert not sinkhorn(noise(8, 4).requires_grad_(), 0.05, 3).requires_grad


def test_labels_of_converged_sinkhorn_are_balanced_within_one():
    n, k = 608, 16
    codes = sinkhorn((5 * noise(n, k)).log_softmax(dim=1), 1 / 25, 20_000, 1e-6)
    assert torch.allclose(codes.sum(dim=0), torch.full((k,), n / k, dtype=torch.float64), rtol=1e-6)
    counts = torch.bincount(codes.argmax(dim=1), minlength=k)
    assert (counts - n // k).abs().max() <= 1


def test_converged_sinkhorn_costs_hardly_more_than_the_best_assignment():
    cost = -(3 * noise(24, 24)).log_softmax(dim=1)
    codes = sinkhorn(-cost, 1 / 25, 20_000, 1e-6)
    rows, columns = linear_sum_assignment(cost.numpy())
    best = float(cost[rows, columns].sum())
    assert best <= float((codes * cost).sum()) <= 1.01 * best


def blobs(seed: int = 0) -> tuple[Tensor, Tensor]:
    labels = torch.arange(400) % 8
    return F.normalize(torch.eye(8, 12, dtype=torch.float64)[labels] + 0.1 * noise(400, 12, seed=seed), dim=1), labels


@pytest.mark.shared
def test_spherical_kmeans_meets_every_reference_value(shared):
    arrays = np.load(shared / "reference/losses.npz")
    chosen = of_family(shared, "spherical_kmeans")
    kept = "arr/spherical_kmeans/K=8,iters=10/solo"
    for record in chosen:
        x = torch.tensor(arrays["in/emb512"], dtype=torch.float64)
        centres, labels = spherical_kmeans(x, x[torch.tensor(arrays[f"{kept}/init_idx"])], record["params"]["iters"])
        assert (x * centres[labels]).sum().item() == pytest.approx(record["value"], rel=1e-6)
        assert np.array_equal(labels, arrays[f"{kept}/assign"])
        assert np.abs(centres.numpy() - arrays[f"{kept}/centroids"]).max() < 1e-6
    assert len(chosen) == 2


def test_the_partition_is_scikit_learns_from_the_same_first_centres():
    x, _ = blobs()
    first = random_rows(x, 8, torch.Generator().manual_seed(3))
    centres, labels = spherical_kmeans(x, first, 50)
    theirs = KMeans(8, init=first.numpy(), n_init=1, max_iter=50).fit(x.numpy())
    assert np.array_equal(labels, theirs.labels_)
    assert torch.allclose(centres, F.normalize(torch.tensor(theirs.cluster_centers_), dim=1), atol=1e-9)


def test_separated_blobs_are_found_exactly():
    x, truth = blobs()
    _, labels = spherical_kmeans(x, x[:8], 10)
    assert normalized_mutual_info_score(truth, labels) == pytest.approx(1)


@pytest.mark.parametrize("k", [3, 40])
def test_every_iteration_brings_rows_nearer_to_their_centres(k):
    x = F.normalize(noise(200, 5, seed=4), dim=1)
    first = x[:1] + 1e-3 * noise(k, 5, seed=5)  # most of them start empty
    similarity = []
    for i in range(12):
        centres, labels = spherical_kmeans(x, F.normalize(first, dim=1), i)
        similarity.append(float((x * centres[labels]).sum()))
        assert torch.bincount(labels, minlength=k).min() >= 1
        assert torch.allclose(centres.norm(dim=1), torch.ones(k, dtype=torch.float64))
    assert all(after >= before - 1e-9 for before, after in pairwise(similarity))


def test_as_many_clusters_as_rows_hold_one_row_each_even_if_rows_repeat():
    x = F.normalize(noise(3, 4), dim=1)[torch.tensor([0, 0, 0, 1, 1, 2])]
    _, labels = spherical_kmeans(x, x, 5)
    assert sorted(labels.tolist()) == [0, 1, 2, 3, 4, 5]


def test_rows_in_blocks_give_the_result_of_all_at_once(monkeypatch):
    x, _ = blobs()
    whole = spherical_kmeans(x, x[:20], 10)
    monkeypatch.setattr(assignment, "ROWS_AT_ONCE", 7)
    blocks = spherical_kmeans(x, x[:20], 10)
    assert torch.allclose(whole[0], blocks[0], rtol=1e-12)
    assert torch.equal(whole[1], blocks[1])


def test_kmeans_leaves_its_inputs_alone():
    x, _ = blobs()
    first = torch.zeros(8, 12, dtype=torch.float64) + x[:1]
    kept = x.clone(), first.clone()
    spherical_kmeans(x, first, 3)
    assert torch.equal(x, kept[0])
    assert torch.equal(first, kept[1])


def test_first_centres_are_different_rows_and_depend_on_the_generator_only():
    x = torch.arange(50.0)[:, None]
    drawn = [random_rows(x, 50, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0].sort(dim=0).values, x)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
