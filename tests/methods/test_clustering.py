"""Codes, queues, k-means and labellings: when they happen, on what, and what they leave alone."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.errors import DataError
from audiossl.methods.assignment import sinkhorn
from audiossl.methods.base import At, Embed, Method
from audiossl.methods.build import build_method
from audiossl.recipe.methods import DeepClusterConfig, SelaConfig, SwavConfig
from tests.methods import toy
from tests.methods.cases import clustering
from tests.methods.cases.clustering import HEAD, SWAV

N, ITEMS = 8, 40
WORLD = toy.WORLDS["vectors"]
DEEPCLUSTER = DeepClusterConfig(head=HEAD, clusters=4, heads=3, short_crops=0)
SELA = SelaConfig(clusters=4, heads=2, updates=5)
START = At(step=0, steps=100, epoch=0.0)


def build(config: Any, **changes: Any) -> Any:
    return WORLD.build(config.model_copy(update=changes), ITEMS, build_method).train()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def views(n: int = 2, seed: int = 0) -> list[Tensor]:
    return list(noise(n, N, 32, seed=seed))


def later(epoch: float) -> At:
    return At(step=round(epoch * 10), steps=100, epoch=epoch)


def embed_of(method: Method[Any], index: Tensor) -> Embed:
    """What the trainer hands over when only the clips of `index` can be read."""
    clips = noise(ITEMS, 32, seed=9)

    def embed(f: Any) -> tuple[Tensor, Tensor]:
        method.eval()
        with torch.no_grad():
            values = f(clips[index])
        method.train()
        return values, index

    return embed


def never(f: Any) -> tuple[Tensor, Tensor]:
    raise AssertionError("nothing was to be embedded")


# SwAV


def test_short_views_are_asked_for_and_are_only_told_codes():
    method = build(SWAV, short_crops=3, short_share=0.25)
    assert (method.plan.views, method.plan.short, method.plan.short_share) == (2, 3, 0.25)
    given = []
    method.codes = lambda scores, at, codes=method.codes: given.append(codes(scores, at)) or given[-1]
    method.loss(views(5), torch.arange(N), START)
    assert [len(codes) for codes in given] == [2]


def test_prototypes_stay_as_drawn_while_frozen_and_move_thereafter():
    method = build(SWAV, freeze_steps=3)
    drawn = method.prototypes.detach().clone()
    optimiser = torch.optim.SGD(method.parameters(), lr=0.1, weight_decay=0.1)
    for step in range(5):
        at = At(step, 100, step / 10)
        optimiser.zero_grad()
        method.loss(views(seed=step), torch.arange(N), at)["loss"].backward()
        assert (method.prototypes.grad is None) == (step < 3)
        assert method.head[0].weight.grad.abs().max() > 0
        optimiser.step()
        method.after_step(at)
        assert torch.allclose(method.prototypes, drawn, atol=1e-6) == (step < 3)
        assert torch.allclose(method.prototypes.norm(dim=1), torch.ones(32))


def projections(method: Any, given: list[Tensor]) -> list[Tensor]:
    return [F.normalize(z.detach(), dim=1) for z in copy.deepcopy(method).project(given)]


def test_each_whole_view_has_a_queue_that_gets_its_embeddings_in_order_once_the_step_is_done():
    method = build(SWAV, queue=20, queue_start=0.0, short_crops=1)
    expected: list[list[Tensor]] = [[], []]
    for step in range(2):
        for part in range(2):  # two batches accumulate into one step
            given = views(3, seed=2 * step + part)
            for view, z in enumerate(projections(method, given)[:2]):
                expected[view].append(z)
            before = [queue.rows for queue in method.queues]
            method.loss(given, torch.arange(N), START)
            assert all(queue.rows is rows for queue, rows in zip(method.queues, before, strict=True))
        method.after_step(START)
    for queue, seen in zip(method.queues, expected, strict=True):
        assert int(queue.pushed) == 32
        oldest_first = queue.rows.roll(-(32 % 20), dims=0)
        assert torch.allclose(oldest_first, torch.cat(seen)[-20:], atol=1e-6)


def test_codes_share_the_prototypes_with_a_queue_that_is_full_and_due():
    method = build(SWAV, queue=16, queue_start=2.0)
    scores = [F.normalize(z, dim=1) @ method.prototypes.detach().T for z in noise(2, N, 32, seed=5)]
    alone = [sinkhorn(s, 0.05, 3) for s in scores]
    for step in range(2):
        assert all(torch.equal(a, b) for a, b in zip(method.codes(scores, later(3.0)), alone, strict=True))
        method.loss(views(seed=step), torch.arange(N), START)
        method.after_step(START)
    assert all(torch.equal(a, b) for a, b in zip(method.codes(scores, later(1.9)), alone, strict=True))

    with torch.no_grad():  # the queue holds embeddings: they meet the prototypes of today
        method.prototypes.copy_(F.normalize(noise(32, 32, seed=6), dim=1))
    for codes, s, queue in zip(method.codes(scores, later(2.0)), scores, method.queues, strict=True):
        expected = sinkhorn(torch.cat([queue.rows @ method.prototypes.detach().T, s]), 0.05, 3)[16:]
        assert torch.allclose(codes, expected, atol=1e-6)
    assert not torch.allclose(codes, alone[1], atol=1e-3)


def test_codes_are_shared_out_over_the_clips_of_all_ranks():
    method, elsewhere = build(SWAV), noise(N, 32, seed=8)
    method.gather = lambda z: torch.cat([z, elsewhere])
    joint = projections(method, views())[0]
    assert len(joint) == 2 * N
    given = []
    method.codes = lambda scores, at, codes=method.codes: given.append(codes(scores, at)) or given[-1]
    method.loss(views(), torch.arange(N), START)
    assert torch.allclose(given[0][0], sinkhorn(joint @ method.prototypes.T, 0.05, 3), atol=1e-6)


def test_prototypes_stay_in_use_in_the_toy_world():
    method = WORLD.build(SWAV, toy.ITEMS, build_method)
    logged: list[dict[str, Tensor]] = []
    method.loss = lambda *args, loss=method.loss: logged.append(loss(*args)) or logged[-1]
    toy.train(WORLD, method)
    assert all(0.9 <= losses["code_entropy"] <= 1 + 1e-6 for losses in logged)
    # What no transport touches: the nearest prototypes of clips never seen.
    items, _ = WORLD.items(2000, torch.Generator().manual_seed(3))
    z = method.eval().head(method.encoder(WORLD.view(items, torch.Generator().manual_seed(4))))
    share = torch.bincount((F.normalize(z, dim=1) @ method.prototypes.T).argmax(dim=1), minlength=32) / 2000
    assert torch.special.entr(share).sum() >= 0.9 * math.log(32)
    assert logged[0]["relative_loss"].item() == pytest.approx(logged[0]["loss"].item() / math.log(32))
    assert logged[-1]["relative_loss"] < logged[0]["relative_loss"] - 0.1


# DeepCluster-v2


def test_the_first_epoch_begins_with_clusters_of_every_readable_clip():
    method = build(DEEPCLUSTER)
    readable = torch.arange(ITEMS)[torch.arange(ITEMS) % 5 > 0].flip(0)
    kept = method.labels.clone()
    method.before_epoch(START, embed_of(method, readable))
    unreadable = torch.arange(0, ITEMS, 5)
    assert torch.equal(method.labels[unreadable], kept[unreadable])
    assert all(torch.equal(bank.filled.nonzero()[:, 0], readable.sort().values) for bank in method.banks)
    z, index = embed_of(method, readable)(lambda x: F.normalize(method.head(method.encoder(x)), dim=1))
    for head in range(3):
        assert sorted(set(method.labels[readable, head].tolist())) == [0, 1, 2, 3]
        nearest = (z @ method.centroids[head].T).argmax(dim=1)
        assert torch.equal(method.labels[index, head], nearest)
    assert method.labels.min() >= 0
    assert len({tuple(method.labels[:, head].tolist()) for head in range(3)}) == 3


def test_later_epochs_cluster_what_the_batches_left_in_the_banks():
    method = build(DEEPCLUSTER, short_crops=1)
    method.before_epoch(START, embed_of(method, torch.arange(ITEMS)))
    index = torch.tensor([3, 30, 5, 11, 0, 39, 8, 7])
    given = views(3)
    z = projections(method, given)
    kept = [bank.rows.clone() for bank in method.banks]
    method.loss(given, index, START)
    assert all(torch.equal(bank.rows, rows) for bank, rows in zip(method.banks, kept, strict=True))
    method.after_step(START)
    others = torch.ones(ITEMS, dtype=torch.bool).index_fill(0, index, False)
    for bank, rows, latest in zip(method.banks, kept, z[:2], strict=True):
        assert torch.allclose(bank.rows[index], latest, atol=1e-6)
        assert torch.equal(bank.rows[others], rows[others])
    method.before_epoch(later(1.0), never)
    for head in range(3):
        rows = method.banks[head % 2].rows
        assert torch.equal(method.labels[:, head], (rows @ method.centroids[head].T).argmax(dim=1))


def test_centroids_are_not_trained():
    method = build(DEEPCLUSTER)
    assert "centroids" not in dict(method.named_parameters())
    method.loss(views(), torch.arange(N), START)["loss"].backward()
    assert method.centroids.grad is None


@pytest.mark.parametrize("config", [DEEPCLUSTER, SELA], ids=lambda config: config.name)
def test_too_few_readable_clips_for_the_clusters_are_refused_in_words(config):
    method = build(config)
    with pytest.raises(DataError, match=r"only 3 clips could be read, too few for method.clusters 4; write at most 3"):
        method.before_epoch(START, embed_of(method, torch.arange(3)))


@pytest.mark.parametrize("config", [DEEPCLUSTER, SELA], ids=lambda config: config.name)
def test_every_rank_goes_on_with_the_labels_of_the_first(config):
    first, second = build(config), build(config)
    first.before_epoch(START, embed_of(first, torch.arange(ITEMS)))
    told = [first.labels[:, head] for head in range(first.config.heads)]
    if config is DEEPCLUSTER:
        told = [part for head, labels in enumerate(told) for part in (first.centroids[head], labels)]
    with torch.no_grad():
        second.encoder[0].weight.mul_(noise(128, 32))
    parts = iter(told)
    second.gather = lambda x: torch.cat([next(parts), x])
    second.before_epoch(START, embed_of(second, torch.arange(ITEMS)))
    assert torch.equal(second.labels, first.labels)


# SeLA


def test_sela_asks_for_one_view_and_starts_with_random_labels_in_equal_numbers():
    method = build(SELA, clusters=7)
    assert (method.plan.views, method.plan.crops) == (1, 1)
    counts = [torch.bincount(method.labels[:, head], minlength=7) for head in range(2)]
    assert all(int(count.max() - count.min()) <= 1 for count in counts)
    assert not torch.equal(method.labels[:, 0], method.labels[:, 1])


def test_labellings_come_at_the_squares_of_equal_steps_and_at_most_once_an_epoch():
    method = build(SELA, updates=11)  # due at the shares 0, .01, .04, .09, .16, .25, .36, .49, .64, .81, 1
    calls: list[float] = []
    embed = embed_of(method, torch.arange(ITEMS))
    for epoch in range(25):
        at = At(step=4 * epoch, steps=100, epoch=float(epoch))
        method.before_epoch(at, lambda f, at=at: calls.append(at.progress) or embed(f))
    # .01 falls inside the first epoch and waits for the second, and so on
    assert calls == [0, 0.04, 0.12, 0.16, 0.28, 0.36, 0.52, 0.64, 0.84]


def test_labels_are_those_of_an_equal_transport_and_stand_at_their_clips():
    method = build(SELA, tolerance=1e-3)
    readable = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(1))[:36]
    kept = method.labels.clone()
    method.before_epoch(START, embed_of(method, readable))
    x, _ = embed_of(method, readable)(method.encoder)
    for head in range(2):
        logits = method.classifiers[head](x).log_softmax(dim=1)
        expected = sinkhorn(logits, 1 / 25, 1000, 1e-3).argmax(dim=1)
        assert torch.equal(method.labels[readable, head], expected)
        counts = torch.bincount(expected, minlength=4)
        assert (counts - 9).abs().max() <= 3
        plain = torch.bincount(logits.argmax(dim=1), minlength=4)
        assert (plain - 9).abs().max() > 3  # the transport did something
    unreadable = torch.ones(ITEMS, dtype=torch.bool).index_fill(0, readable, False)
    assert torch.equal(method.labels[unreadable], kept[unreadable])


def test_a_clip_predicts_its_own_labels():
    method = build(SELA)
    view, index = views(1)[0], torch.tensor([9, 1, 39, 4, 0, 22, 17, 3])
    loss = method.loss([view], index, START)["loss"]
    x = copy.deepcopy(method).encoder(view)
    terms = [F.cross_entropy(method.classifiers[head](x), method.labels[index, head]) for head in range(2)]
    assert loss.item() == pytest.approx((terms[0] + terms[1]).item() / 2, rel=1e-5)


# All three


RESUMED = [
    SwavConfig(head=HEAD, prototypes=16, queue=24, queue_start=0.5, freeze_steps=2, short_crops=1),
    DEEPCLUSTER,
    SELA,
]


@pytest.mark.parametrize("config", RESUMED, ids=lambda config: config.name)
def test_a_run_resumed_in_the_middle_of_an_epoch_is_the_same_run(config):
    whole, resumed = build(config), build(config)
    optimisers = [torch.optim.AdamW(method.parameters(), lr=1e-2) for method in (whole, resumed)]

    def train(method: Any, optimiser: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            at = At(step, 14, step / 5)
            torch.manual_seed(step)
            if step % 5 == 0:
                method.before_epoch(at, embed_of(method, torch.arange(2, ITEMS)))
            index = 2 + (torch.arange(N) + N * step) % (ITEMS - 2)
            optimiser.zero_grad()
            method.loss(views(method.plan.crops, seed=step), index, at)["loss"].backward()
            optimiser.step()
            method.after_step(at)

    train(whole, optimisers[0], range(7))
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    optimisers[1].load_state_dict(copy.deepcopy(optimisers[0].state_dict()))
    train(whole, optimisers[0], range(7, 14))
    train(resumed, optimisers[1], range(7, 14))
    states = whole.state_dict(), resumed.state_dict()
    assert states[0].keys() == states[1].keys()
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []


def test_every_method_of_the_family_is_resumed_here():
    assert {type(config) for config in RESUMED} == {type(case.config) for case in clustering.CASES}
