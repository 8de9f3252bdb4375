"""Contrastive losses against reference values and gradients, closed-form identities, and slow loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from audiossl.evaluation.measures.metrics import alignment, uniformity
from audiossl.methods.losses import contrastive
from audiossl.methods.losses.contrastive import (
    bank_scores,
    bilinear_info_nce,
    decoupled,
    hard_negatives,
    info_nce,
    instance_nce,
    ntxent,
    symmetric_info_nce,
)
from tests.methods.losses.reference import check, family, records

GROUPS = {
    "ntxent": lambda params, a, b: ntxent(a, b, params["temperature"]),
    "infonce_oneway": lambda params, a, b: info_nce(a, b, params["temperature"]),
    "dcl": lambda params, a, b: decoupled(a, b, params["temperature"]),
    "dclw": lambda params, a, b: decoupled(a, b, params["temperature"], params["sigma"]),
    "hcl": lambda params, a, b: hard_negatives(a, b, params["temperature"], params["tau_plus"], params["beta"]),
    "clip": lambda params, a, b: symmetric_info_nce(a, b, params["temperature"]),
}


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 99


@pytest.mark.shared
def test_ntxent_equals_the_papers_own_code(shared):
    arrays = np.load(shared / "reference/uclser20_pipeline.npz")
    cases = sorted(name.split("/")[1] for name in arrays.files if name.endswith("loss_t0.2"))
    assert len(cases) == 3
    for case in cases:
        zi, zj = (torch.tensor(arrays[f"loss/{case}/{name}"]) for name in ("zi", "zj"))
        assert ntxent(zi, zj, 0.2).item() == pytest.approx(float(arrays[f"loss/{case}/loss_t0.2"]), abs=1e-6)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("n", [2, 5, 16])
def test_ntxent_of_orthonormal_pairs(n, temperature):
    z = torch.eye(n, dtype=torch.float64)
    expected = math.log(1 + (2 * n - 2) * math.exp(-1 / temperature))
    assert ntxent(z, z, temperature).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 0.2, 1.0])
def test_ntxent_of_equal_embeddings_is_log_of_the_candidates(temperature):
    z = torch.ones(64, 16)
    assert ntxent(z, z, temperature).item() == pytest.approx(math.log(127), abs=1e-5)


def test_ntxent_equals_a_slow_loop():
    z1, z2 = torch.randn(2, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rows = [F.normalize(row, dim=0) for row in torch.cat([z1, z2])]
    total = 0.0
    for i, anchor in enumerate(rows):
        partner = (i + 7) % 14
        others = sum(math.exp(float(anchor @ rows[j]) / 0.3) for j in range(14) if j != i)
        total -= math.log(math.exp(float(anchor @ rows[partner]) / 0.3) / others)
    assert ntxent(z1, z2, 0.3).item() == pytest.approx(total / 14, rel=1e-12)


SIMCLR = {
    "ntxent": partial(ntxent, temperature=0.2),
    "decoupled": partial(decoupled, temperature=0.2),
    "weighted": partial(decoupled, temperature=0.2, sigma=0.5),
    "debiased": partial(hard_negatives, temperature=0.2, tau_plus=0.1, beta=0.0),
    "hard negatives": partial(hard_negatives, temperature=0.2, tau_plus=0.1, beta=1.0),
}
every_variant = pytest.mark.parametrize("loss", SIMCLR.values(), ids=SIMCLR)


@every_variant
def test_simclr_in_blocks_equals_simclr_at_once(monkeypatch, loss):
    def value_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.randn(2, 33, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
        value = loss(z[0], z[1])
        value.backward()
        return value, z.grad

    whole, whole_gradient = value_and_gradient()
    monkeypatch.setattr(contrastive, "ROWS_AT_ONCE", 10)
    blocks, blocks_gradient = value_and_gradient()
    assert torch.allclose(whole, blocks, rtol=1e-12)
    assert torch.allclose(whole_gradient, blocks_gradient, rtol=1e-10, atol=1e-14)


@every_variant
def test_simclr_does_not_care_about_the_order_of_views_or_pairs(loss):
    z1, z2 = torch.randn(2, 20, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(3))
    base = loss(z1, z2)
    assert torch.allclose(loss(z2, z1), base, rtol=1e-12)
    assert torch.allclose(loss(z1[order], z2[order]), base, rtol=1e-12)


@every_variant
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.01, 0.05])
@pytest.mark.parametrize("opposite", [1, -1], ids=["agree", "opposed"])
def test_simclr_stays_finite_in_half_precision(loss, dtype, temperature, opposite):
    z = torch.randn(32, 16, generator=torch.Generator().manual_seed(5)).to(dtype).requires_grad_()
    for other in (z.detach().roll(1, 0), opposite * z.detach()):
        value = loss(z, other, temperature=temperature)
        z.grad = None
        value.backward()
        assert value.dtype == torch.float32
        assert torch.isfinite(value)
        assert torch.isfinite(z.grad).all()


@every_variant
def test_autocast_does_not_lower_the_precision_of_simclr(loss):
    z1, z2 = torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(z1, z2, temperature=0.05)
    assert inside == loss(z1, z2, temperature=0.05)


def test_ntxent_is_the_softplus_of_the_decoupled_loss_of_an_anchor():
    z1, z2 = torch.randn(2, 9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(20))
    positive, negatives = slow_similarities(z1, z2, 0.3)
    terms = [math.log(sum(map(math.exp, row))) - own for own, row in zip(positive, negatives, strict=True)]
    assert decoupled(z1, z2, 0.3).item() == pytest.approx(sum(terms) / 18, rel=1e-12)
    assert ntxent(z1, z2, 0.3).item() == pytest.approx(
        sum(math.log1p(math.exp(term)) for term in terms) / 18, rel=1e-12
    )


def test_decoupled_weights_equal_a_slow_loop_and_carry_no_gradient():
    z1, z2 = torch.randn(2, 9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(21)).requires_grad_()
    positive, negatives = slow_similarities(z1, z2, 0.3)
    shares = [math.exp(own * 0.3 / 0.5) for own in positive[:9]]
    weights = [2 - 9 * share / sum(shares) for share in shares] * 2
    assert sum(weights) == pytest.approx(18)
    terms = [
        math.log(sum(map(math.exp, row))) - weight * own
        for own, row, weight in zip(positive, negatives, weights, strict=True)
    ]
    assert decoupled(z1, z2, 0.3, 0.5).item() == pytest.approx(sum(terms) / 18, rel=1e-12)


def test_equal_pairs_all_weigh_the_same():
    z1, z2 = torch.eye(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    assert decoupled(z1, z2, 0.3, 0.5).item() == pytest.approx(decoupled(z1, z2, 0.3).item(), rel=1e-12)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_decoupled_of_orthonormal_pairs_is_negative_once_they_are_told_apart(temperature):
    z = torch.eye(8, dtype=torch.float64)
    assert decoupled(z, z, temperature).item() == pytest.approx(math.log(14) - 1 / temperature, rel=1e-12)


@pytest.mark.parametrize(("tau_plus", "beta"), [(0.1, 0.0), (0.0, 1.0), (0.1, 2.0), (0.9, 1.0)])
def test_hard_negatives_equal_a_slow_loop(tau_plus, beta):
    z1, z2 = torch.randn(2, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(22))
    total, floored = 0.0, 0
    for own, row in zip(*slow_similarities(z1, z2, 0.5), strict=True):
        weights = [math.exp(beta * s) for s in row]
        reweighted = sum(w * math.exp(s) for w, s in zip(weights, row, strict=True)) / (sum(weights) / len(row))
        debiased = (reweighted - tau_plus * len(row) * math.exp(own)) / (1 - tau_plus)
        floored += debiased < len(row) * math.exp(-1 / 0.5)
        negatives = max(debiased, len(row) * math.exp(-1 / 0.5))
        total -= math.log(math.exp(own) / (math.exp(own) + negatives))
    assert hard_negatives(z1, z2, 0.5, tau_plus, beta).item() == pytest.approx(total / 14, rel=1e-12)
    assert (floored > 0) == (tau_plus == 0.9)


def test_hard_negatives_without_prior_and_hardness_are_ntxent():
    z1, z2 = torch.randn(2, 20, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(23))
    assert hard_negatives(z1, z2, 0.2, 0.0, 0.0).item() == pytest.approx(ntxent(z1, z2, 0.2).item(), rel=1e-12)


def test_infinitely_hard_negatives_are_the_hardest_one_times_their_number():
    z1, z2 = torch.randn(2, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(24))
    positive, negatives = slow_similarities(z1, z2, 0.5)
    terms = [math.log1p(10 * math.exp(max(row) - own)) for own, row in zip(positive, negatives, strict=True)]
    assert hard_negatives(z1, z2, 0.5, 0.0, 1e4).item() == pytest.approx(sum(terms) / 12, rel=1e-12)


@pytest.mark.shared
def test_hard_negatives_meet_the_value_of_the_authors_default(shared):
    arrays = np.load(shared / "reference/losses.npz")
    z1, zc = (torch.tensor(arrays[f"in/{name}"], dtype=torch.float64, requires_grad=True) for name in ("z1", "zc"))
    loss = hard_negatives(z1, zc, 0.5, 0.1, 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(2.801954053, abs=1e-9)
    reference = arrays["grad/hcl/t=0.5,tau=0.1,beta=1.0/authors/z1"]
    assert np.abs(z1.grad.numpy() - reference).max() <= 1e-9 * np.abs(reference).max()


def slow_similarities(z1, z2, temperature) -> tuple[list[float], list[list[float]]]:
    """Of every anchor of both views: the partner's similarity / temperature, and those of the negatives."""
    rows = [F.normalize(row.detach(), dim=0) for row in torch.cat([z1, z2])]
    half = len(rows) // 2
    positive, negatives = [], []
    for i, anchor in enumerate(rows):
        partner = (i + half) % len(rows)
        positive.append(float(anchor @ rows[partner]) / temperature)
        negatives.append([float(anchor @ rows[j]) / temperature for j in range(len(rows)) if j not in (i, partner)])
    return positive, negatives


@pytest.mark.parametrize(
    "loss", [*(loss for name, loss in SIMCLR.items() if name != "weighted"), partial(info_nce, temperature=0.3)]
)
def test_gradients_are_those_of_finite_differences(loss):
    z1, z2 = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(10))
    assert torch.autograd.gradcheck(loss, (z1.requires_grad_(), z2.requires_grad_()))


@pytest.mark.parametrize("temperature", [0.01, 0.2, 1.0])
def test_info_nce_of_equal_embeddings_is_log_of_the_candidates(temperature):
    assert info_nce(torch.ones(8, 16), torch.ones(24, 16), temperature).item() == pytest.approx(math.log(24), abs=1e-5)


def test_info_nce_equals_a_slow_loop_with_further_negatives():
    anchors, candidates = torch.randn(5, 4, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64)
    total = 0.0
    for n, anchor in enumerate(anchors):
        scores = [float(F.cosine_similarity(anchor, one, dim=0)) / 0.3 for one in candidates]
        total -= math.log(math.exp(scores[n]) / sum(map(math.exp, scores)))
    assert info_nce(anchors, candidates, 0.3).item() == pytest.approx(total / 5, rel=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 0.2, 1.0])
def test_symmetric_info_nce_of_equal_embeddings_is_log_of_the_pairs(temperature):
    z = torch.ones(8, 16)
    assert symmetric_info_nce(z, z, temperature).item() == pytest.approx(math.log(8), abs=1e-5)


def test_symmetric_info_nce_does_not_care_which_side_comes_first():
    a, b = torch.randn(2, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(11))
    assert symmetric_info_nce(a, b, 0.2).item() == pytest.approx(symmetric_info_nce(b, a, 0.2).item(), rel=1e-12)
    assert symmetric_info_nce(a, b, 0.2).item() != pytest.approx(info_nce(a, b, 0.2).item(), rel=1e-3)


def test_a_learnt_temperature_gets_a_gradient():
    a, b = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(12))
    temperature = torch.tensor(0.2, requires_grad=True)
    symmetric_info_nce(a, b, temperature).backward()
    assert temperature.grad is not None
    assert temperature.grad.abs() > 1e-3


def npid_arrays(shared) -> tuple[dict[str, np.ndarray], torch.Tensor, torch.Tensor, torch.Tensor]:
    """The file, 64 embeddings, a bank of 1,000 rows, and for each clip its own row and 32 others (64, 33)."""
    arrays = dict(np.load(shared / "reference/losses.npz"))
    z, bank = (torch.tensor(arrays[f"in/{name}"], dtype=torch.float64, requires_grad=True) for name in ("z1", "bank"))
    return arrays, z, bank, torch.from_numpy(arrays["in/nce_idx"])


@pytest.mark.shared
def test_the_softmax_forms_of_npid_meet_their_reference_values(shared):
    arrays, z, bank, candidates = npid_arrays(shared)
    scores = bank_scores(z, bank, 0.07)
    sampled = F.cross_entropy(scores.gather(1, candidates), torch.zeros(64, dtype=torch.int64))
    assert sampled.item() == pytest.approx(3.8916547814632767, rel=1e-9)
    whole = F.cross_entropy(scores, torch.arange(64))
    assert whole.item() == pytest.approx(7.385059668, abs=1e-9)
    whole.backward()
    reference = arrays["grad/npid/full_softmax/ref/z1"]
    assert np.abs(z.grad.numpy() - reference).max() <= 1e-9 * np.abs(reference).max()
    assert bank.grad is None


@pytest.mark.shared
def test_the_estimate_of_npid_meets_its_reference_value(shared):
    arrays, z, bank, candidates = npid_arrays(shared)
    scores = bank_scores(z, bank, 0.07).gather(1, candidates)
    log_z = math.log(1000) + scores.detach().exp().mean().log()
    loss = instance_nce(scores, log_z, 1000)
    loss.backward()
    # The authors add 1e-7 to both denominators, of which K / items is 0.032.
    assert loss.item() == pytest.approx(4.878266609, rel=3e-5)
    reference = arrays["grad/npid/nce/ref/z1"]
    assert np.abs(z.grad.numpy() - reference).max() <= 1e-5 * np.abs(reference).max()


@pytest.mark.parametrize("negatives", [1, 16, 4096])
def test_the_estimate_of_even_scores_is_that_of_guessing(negatives):
    scores, log_z = torch.full((8, 1 + negatives), 3.0, dtype=torch.float64), torch.tensor(3 + math.log(500))
    expected = math.log(1 + negatives) + negatives * math.log(1 + 1 / negatives)
    assert instance_nce(scores, log_z, 500).item() == pytest.approx(expected, rel=1e-6)


def test_the_estimate_equals_a_slow_loop():
    scores, log_z = torch.randn(6, 5, dtype=torch.float64), 4.0
    total = 0.0
    for row in scores.tolist():
        chance = 4 / 50
        own, *others = (math.exp(s - log_z) / (math.exp(s - log_z) + chance) for s in row)
        total -= math.log(own) + sum(math.log(1 - h) for h in others)
    assert instance_nce(scores, torch.tensor(log_z), 50).item() == pytest.approx(total / 6, rel=1e-12)


def test_bilinear_info_nce_equals_a_slow_loop_and_is_info_nce_where_the_weight_is_a_temperature():
    generator = torch.Generator().manual_seed(30)
    a, b = torch.randn(2, 5, 4, dtype=torch.float64, generator=generator)
    weight = torch.randn(4, 4, dtype=torch.float64, generator=generator)
    total = 0.0
    for n, anchor in enumerate(a):
        scores = [float(anchor @ weight @ candidate) for candidate in b]
        total -= math.log(math.exp(scores[n]) / sum(map(math.exp, scores)))
    assert bilinear_info_nce(a, b, weight).item() == pytest.approx(total / 5, rel=1e-12)
    unit_a, unit_b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    scaled = torch.eye(4, dtype=torch.float64) / 0.3
    assert bilinear_info_nce(unit_a, unit_b, scaled).item() == pytest.approx(info_nce(a, b, 0.3).item(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_bank_and_bilinear_losses_stay_finite_in_half_precision(dtype):
    z = torch.randn(8, 16, generator=torch.Generator().manual_seed(31)).to(dtype).requires_grad_()
    bank = F.normalize(z.detach().float(), dim=1)
    for factor in (1, -1):
        scores = bank_scores(z, factor * bank, 0.01)
        losses = [
            F.cross_entropy(scores, torch.arange(8)),
            instance_nce(scores, torch.tensor(0.0), 8),
            instance_nce(scores, torch.tensor(200.0), 8),
            bilinear_info_nce(z, factor * z.detach(), 100 * torch.ones(16, 16, dtype=dtype)),
        ]
        for loss in losses:
            z.grad = None
            loss.backward(retain_graph=True)
            assert loss.dtype == torch.float32
            assert torch.isfinite(loss)
            assert torch.isfinite(z.grad).all()


def test_autocast_does_not_lower_the_precision_of_bank_and_bilinear_losses():
    z, weight = torch.randn(8, 16), torch.randn(16, 16)
    losses = [
        lambda: bank_scores(z, F.normalize(z + 1, dim=1), 0.05).sum(),
        lambda: instance_nce(z, torch.tensor(1.0), 8),
        lambda: bilinear_info_nce(z, z + 1, weight),
    ]
    for loss in losses:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = loss()
        assert inside == loss()


def test_gradients_of_bank_and_bilinear_losses_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(32)
    a, b, bank = (torch.randn(6, 4, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(3))
    weight = torch.randn(4, 4, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(bilinear_info_nce, (a, b, weight))
    assert torch.autograd.gradcheck(lambda z: instance_nce(bank_scores(z, bank, 0.3), torch.tensor(1.0), 9), (a,))


@pytest.mark.shared
def test_alignment_and_uniformity_of_the_reports_are_those_of_the_records(shared):
    arrays = np.load(shared / "reference/losses.npz")
    chosen = [record for record in records(shared) if family(record) == "hypersphere"]
    assert len(chosen) == 2
    for record in chosen:
        a, b = (arrays[f"in/{name}"].astype(np.float64) for name in record["inputs"])
        spread = (uniformity(a, record["params"]["t"]) + uniformity(b, record["params"]["t"])) / 2
        loss = alignment(a, b, record["params"]["alpha"]) + record["params"]["lam"] * spread
        assert loss == pytest.approx(record["value"], rel=1e-9, abs=1e-12)
