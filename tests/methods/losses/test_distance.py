"""Distance losses and miners against reference values and gradients, closed-form identities, and slow loops.

The records of `pml_contrastive` are of another loss, not squared, and are not ours.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from audiossl.methods.losses.distance import boundary_margin, distances, margin_contrastive, triplet
from audiossl.methods.losses.mining import (
    Triplets,
    all_triplets,
    batch_hard,
    distance_weighted,
    distance_weights,
    semi_hard,
)
from tests.methods.losses.reference import check, family, records

CLASSES = torch.arange(64) // 4
"""The identities of the records: 16 of 4 rows each."""


def hadsell(params, z):
    distance = distances(F.normalize(z, dim=1) if params["normalize"] else z)
    i, j = torch.triu_indices(64, 64, offset=1)
    return margin_contrastive(distance[i, j], CLASSES[i] != CLASSES[j], params["margin"])


def hadsell_pairs(params, a, b):
    return margin_contrastive((a - b).norm(dim=1), torch.arange(64) >= 32, params["margin"])


def triplet_all(params, z, active_only=False):
    distance = distances(F.normalize(z, dim=1))
    how = {"squared": params["power"] == 2, "active_only": active_only}
    return triplet(distance, all_triplets(distance, CLASSES), params["margin"], **how)


def torch_triplet(params, a, b):
    # three rows of a matrix of distances: of each anchor to its positive and to its negative
    near, far = F.pairwise_distance(a, b), F.pairwise_distance(a, a.roll(1, 0))
    distance, rows = torch.stack([near, far], dim=1), torch.arange(64)
    return triplet(distance, Triplets(rows, torch.zeros_like(rows), torch.ones_like(rows)), params["margin"])


def hardest(params, z):
    distance = distances(F.normalize(z, dim=1))
    return triplet(distance, batch_hard(distance, CLASSES), params["margin"])


def boundary(params, z):
    distance = distances(F.normalize(z, dim=1))
    beta = torch.tensor(params["beta"], dtype=z.dtype)
    return boundary_margin(distance, all_triplets(distance, CLASSES), beta, params["margin"])


GROUPS = {
    "hadsell": hadsell,
    "hadsell_pairs": hadsell_pairs,
    "triplet_all": triplet_all,
    **{f"triplet_all/m={m},p={p}/nz": partial(triplet_all, active_only=True) for m in (0.05, 0.2, 1.0) for p in (1, 2)},
    "triplet": torch_triplet,
    "batch_hard": hardest,
    "margin_loss": boundary,
}


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 28


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["all", "hard"])
def test_as_many_triplets_violate_the_margin_as_in_the_records(shared, kind):
    record = next(one for one in records(shared) if one["group"] == f"triplet_miner/{kind}")
    with np.load(shared / "reference/losses.npz") as arrays:
        z, identity = (torch.tensor(arrays[f"in/{name}"]) for name in record["inputs"])
    distance = distances(F.normalize(z.double(), dim=1))
    anchor, positive, negative = all_triplets(distance, identity)
    assert len(anchor) == 11520
    margin = record["params"]["margin"] if kind == "all" else 0.0
    assert (distance[anchor, negative] - distance[anchor, positive] <= margin).sum() == record["value"]


@pytest.mark.shared
def test_the_weights_of_distance_weighted_sampling_are_those_of_the_records(shared):
    arrays = np.load(shared / "reference/losses.npz")
    chosen = [record for record in records(shared) if family(record) == "dws_weights"]
    assert len(chosen) == 4
    for record in chosen:
        z, identity = (torch.tensor(arrays[f"in/{name}"]) for name in record["inputs"])
        distance = distances(F.normalize(z.double(), dim=1))
        cutoff, far = record["params"]["cutoff"], record["params"]["nonzero_loss_cutoff"]
        weights = distance_weights(distance, identity, z.shape[1], cutoff, far)
        assert (weights * torch.arange(64)).sum().item() == pytest.approx(record["value"], rel=1e-9)
        if record["arrays"]:
            assert np.abs(weights.numpy() - arrays[f"arr/{record['name']}/W"]).max() < 1e-12


def points(rows: int = 12, dim: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def as_set(triplets: Triplets) -> set[tuple[int, ...]]:
    return set(zip(*(rows.tolist() for rows in triplets), strict=True))


IDENTITIES = [torch.arange(12) % 6, torch.arange(12) // 3, torch.tensor([0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2])]
every_grouping = pytest.mark.parametrize("identity", IDENTITIES, ids=["two views", "three views", "uneven"])


@every_grouping
def test_all_triplets_equal_a_slow_loop(identity):
    expected = {
        (a, p, n)
        for a, p, n in product(range(12), repeat=3)
        if a != p and identity[a] == identity[p] and identity[a] != identity[n]
    }
    found = all_triplets(distances(points()), identity)
    assert as_set(found) == expected
    assert len(found.anchor) == len(expected)


@every_grouping
def test_batch_hard_equals_a_slow_loop(identity):
    d = distances(points())
    expected = set()
    for a in range(12):
        positives = [j for j in range(12) if j != a and identity[j] == identity[a]]
        negatives = [j for j in range(12) if identity[j] != identity[a]]
        expected.add((a, max(positives, key=lambda j: d[a, j]), min(negatives, key=lambda j: d[a, j])))
    assert as_set(batch_hard(d, identity)) == expected


@every_grouping
def test_semi_hard_equals_a_slow_loop(identity):
    z = points()
    z[3] *= 9  # as an anchor's positive it is beyond all negatives
    d = distances(z)
    expected, all_nearer = set(), 0
    for a, p in product(range(12), repeat=2):
        if a == p or identity[a] != identity[p]:
            continue
        negatives = [j for j in range(12) if identity[j] != identity[a]]
        beyond = [j for j in negatives if d[a, j] > d[a, p]]
        all_nearer += not beyond
        expected.add((a, p, min(beyond, key=lambda j: d[a, j]) if beyond else max(negatives, key=lambda j: d[a, j])))
    assert as_set(semi_hard(d, identity)) == expected
    assert all_nearer


@every_grouping
@pytest.mark.parametrize("spread", [1.0, 0.0], ids=["spread", "one point"])
def test_no_miner_takes_a_negative_of_the_anchors_identity_or_the_anchor_as_its_positive(identity, spread):
    d = distances(F.normalize(1 + spread * points(), dim=1))
    for mine in (all_triplets, batch_hard, semi_hard, lambda d, y: distance_weighted(d, y, 4, 0.5, 1.4)):
        anchor, positive, negative = mine(d, identity)
        assert (identity[anchor] == identity[positive]).all()
        assert (identity[anchor] != identity[negative]).all()
        assert (anchor != positive).all()


@every_grouping
@pytest.mark.parametrize(("margin", "squared"), [(0.7, False), (0.7, True), ("soft", False), ("soft", True)])
def test_triplet_equals_a_slow_loop(identity, margin, squared):
    z = points()
    triplets = all_triplets(distances(z), identity)
    terms = []
    for a, p, n in as_set(triplets):
        near, far = (float((z[a] - z[j]).norm()) ** (1 + squared) for j in (p, n))
        terms.append(math.log1p(math.exp(near - far)) if margin == "soft" else max(0.0, near - far + margin))
    active = [term for term in terms if term > 0]
    assert margin == "soft" or len(active) < len(terms)
    value = triplet(distances(z), triplets, margin, squared=squared)
    assert value.item() == pytest.approx(sum(terms) / len(terms), rel=1e-12)
    value = triplet(distances(z), triplets, margin, squared=squared, active_only=True)
    assert value.item() == pytest.approx(sum(active) / len(active), rel=1e-12)


@pytest.mark.parametrize("mine", [all_triplets, batch_hard, semi_hard])
@pytest.mark.parametrize("squared", [False, True])
def test_triplet_of_equal_embeddings_is_the_margin(mine, squared):
    z, identity = torch.ones(12, 4, requires_grad=True), IDENTITIES[0]
    d = distances(z)
    for margin, expected in ((0.2, 0.2), ("soft", math.log(2))):
        loss = triplet(d, mine(d, identity), margin, squared=squared)
        assert loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_triplet_without_a_violation_is_zero_with_either_mean():
    z = torch.eye(6).repeat(2, 1)
    d = distances(z)
    triplets = all_triplets(d, IDENTITIES[0])
    assert triplet(d, triplets, 0.2) == triplet(d, triplets, 0.2, active_only=True) == 0


def test_hadsell_equals_a_slow_loop():
    z, identity = points(), IDENTITIES[0]
    d = distances(z)
    i, j = torch.triu_indices(12, 12, offset=1)
    total = 0.0
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        between = float((z[a] - z[b]).norm())
        total += between**2 / 2 if identity[a] == identity[b] else max(0.0, 2.0 - between) ** 2 / 2
    assert margin_contrastive(d[i, j], identity[i] != identity[j], 2.0).item() == pytest.approx(total / 66, rel=1e-12)


def test_hadsell_leaves_dissimilar_pairs_beyond_the_margin_alone():
    distance = torch.tensor([1.5, 3.0, 100.0], requires_grad=True)
    loss = margin_contrastive(distance, torch.ones(3, dtype=torch.bool), 1.5)
    loss.backward()
    assert loss == 0
    assert torch.equal(distance.grad, torch.zeros(3))


@pytest.mark.parametrize("margin", [0.5, 4.0])
def test_hadsell_of_coincident_pairs_has_a_finite_gradient(margin):
    z = torch.ones(2, 5, requires_grad=True)
    for dissimilar, expected in ((True, margin**2 / 2), (False, 0.0)):
        loss = margin_contrastive(distances(z)[0, 1:], torch.tensor([dissimilar]), margin)
        z.grad = None
        loss.backward()
        assert loss.item() == pytest.approx(expected)
        assert torch.isfinite(z.grad).all()


def test_margin_loss_equals_a_slow_loop_and_moves_the_boundary():
    d, identity = distances(F.normalize(points(), dim=1)), IDENTITIES[0]
    triplets = all_triplets(d, identity)
    beta = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    near = [max(0.0, float(d[a, p]) - 0.9 + 0.2) for a, p, _ in as_set(triplets)]
    far = [max(0.0, 0.9 - float(d[a, n]) + 0.2) for a, _, n in as_set(triplets)]
    active = [sum(term > 0 for term in terms) for terms in (near, far)]
    loss = boundary_margin(d, triplets, beta, 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(sum(near + far) / sum(active), rel=1e-12)
    assert beta.grad.item() == pytest.approx((active[1] - active[0]) / sum(active), rel=1e-12)
    assert boundary_margin(torch.zeros(2, 2), Triplets(*torch.zeros(3, 1, dtype=torch.int64)), beta, 0.2) > 0


@pytest.mark.parametrize("dim", [3, 8])
def test_weights_make_distances_between_even_points_of_a_sphere_even(dim):
    z = F.normalize(points(2000, dim, seed=dim), dim=1)
    d = distances(z.float())
    weights = distance_weights(d, torch.arange(2000), dim, 0.5, 1.4)
    within = (d > 0.5) & (d < 1.4)
    bins = ((d - 0.5) / 0.9 * 7).long()[within]
    share = torch.zeros(7, dtype=torch.float64).scatter_add_(0, bins, weights[within].double())
    assert (share / share.mean() - 1).abs().max() < 0.03


def test_distances_below_the_cutoff_weigh_as_the_cutoff_and_far_ones_nothing():
    line = torch.tensor([0.0, 0.1, 0.4, 0.9, 1.5, 1.9])
    d = (line[:, None] - line).abs()
    weights = distance_weights(d, torch.arange(6), 16, 0.5, 1.4)[0]
    assert weights[0] == weights[4] == weights[5] == 0
    assert weights[1] == weights[2] > weights[3] > 0
    assert weights.sum() == pytest.approx(1)


def test_a_row_of_which_every_negative_is_far_takes_any_of_them():
    # Row 0 and its twin 1 are opposite to all others.
    z = torch.tensor([[1.0, 0.0]] * 2 + [[-1.0, 0.0]] * 4)
    identity = torch.tensor([0, 0, 1, 1, 2, 2])
    weights = distance_weights(distances(z), identity, 2, 0.5, 1.4)
    assert torch.equal(weights[0], torch.tensor([0, 0, 0.25, 0.25, 0.25, 0.25]))
    assert torch.equal(weights[2], torch.tensor([0, 0, 0, 0, 0.5, 0.5]))


@pytest.mark.parametrize("dim", [2, 128, 2048])
def test_weights_are_finite_however_many_dimensions(dim):
    z = F.normalize(torch.cat([points(6, dim), points(6, dim) * 1.001]), dim=1).float()
    weights = distance_weights(distances(z), IDENTITIES[0], dim, 0.5, 1.4)
    assert torch.isfinite(weights).all()
    assert torch.allclose(weights.sum(1), torch.ones(12))


def test_negatives_are_drawn_as_often_as_they_weigh():
    torch.manual_seed(0)
    d, identity = distances(F.normalize(points(), dim=1)), IDENTITIES[0]
    drawn = torch.zeros(12, 12)
    for _ in range(500):
        anchor, _, negative = distance_weighted(d, identity, 4, 0.5, 1.4)
        drawn[anchor, negative] += 1
    assert (drawn / 500 - distance_weights(d, identity, 4, 0.5, 1.4)).abs().max() < 0.1


LOSSES = {
    "hadsell": lambda d: margin_contrastive(d[0], IDENTITIES[0] != 0, 2.0),
    "triplet": lambda d: triplet(d, all_triplets(d, IDENTITIES[0]), 0.2, squared=True),
    "batch hard": lambda d: triplet(d, batch_hard(d, IDENTITIES[0]), "soft"),
    "semi hard": lambda d: triplet(d, semi_hard(d, IDENTITIES[0]), 0.2, active_only=True),
    "boundary": lambda d: boundary_margin(d, all_triplets(d, IDENTITIES[0]), torch.tensor(1.2), 0.2),
    "weighted": lambda d: boundary_margin(d, distance_weighted(d, IDENTITIES[0], 4, 0.5, 1.4), torch.tensor(1.2), 0.2),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("place", [lambda z: z, lambda z: z * 1e-3, torch.ones_like], ids=["spread", "near", "equal"])
def test_losses_and_gradients_stay_finite_in_half_precision(loss, dtype, place):
    z = place(points()).to(dtype).requires_grad_()
    value = loss(distances(z))
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert torch.isfinite(z.grad).all()


@every_loss
def test_autocast_does_not_lower_the_precision(loss):
    torch.manual_seed(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(distances(points().float()))
    torch.manual_seed(1)
    assert inside == loss(distances(points().float()))


@pytest.mark.parametrize("loss", [loss for name, loss in LOSSES.items() if name != "weighted"])
def test_gradients_are_those_of_finite_differences(loss):
    assert torch.autograd.gradcheck(lambda z: loss(distances(z)), points().requires_grad_())
