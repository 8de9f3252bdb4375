from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from audiossl.errors import RecipeError, UsageError
from audiossl.evaluation.heads.budgets import draw
from audiossl.evaluation.outcome import bootstrap
from audiossl.evaluation.probes import predict, run, task_of
from audiossl.evaluation.protocol import list_protocols, load_protocol
from tests.evaluation.made import blobs, items_of

SHOTS, SHARES = load_protocol("few_shot@1"), load_protocol("label_fraction@1")


@pytest.fixture(scope="module")
def made():
    x, labels, folds = blobs(n=160)
    return x, labels, items_of(labels, folds)


def sk_predict(x, labels, train, test):
    scaler = StandardScaler().fit(x[train])
    head = LogisticRegression(C=0.1, solver="newton-cg", tol=1e-6, max_iter=10_000)
    return head.fit(scaler.transform(x[train]), labels[train]).predict(scaler.transform(x[test]))


def test_the_curve_equals_a_slow_loop_over_budgets_draws_and_folds(made):
    x, labels, items = made
    score, task = run(SHOTS, x, items), task_of(SHOTS, items)
    right = np.zeros((5, len(labels)))
    for budget, point in zip(draw(SHOTS.labels, task), score.curve, strict=True):
        assert point.at == budget.at
        values = []
        for number, trains in enumerate(budget.draws):
            hits = [
                sk_predict(x, labels, t, one.test) == labels[one.test]
                for t, one in zip(trains, task.rounds, strict=True)
            ]
            values.append(np.mean([hit.mean() for hit in hits]))
            if budget.at == 8:
                for one, hit in zip(task.rounds, hits, strict=True):
                    right[number, one.test] = hit
        assert point.draws == pytest.approx(values)
        assert point.value == pytest.approx(np.mean(values))
    assert [point.at for point in score.curve] == [1, 2, 4, 8, 16, 32]
    assert score.value == score.curve[3].value
    assert score.repeats == score.curve[3].draws
    assert score.right == pytest.approx(right.mean(axis=0).tolist())
    assert score.interval == bootstrap(SHOTS, task, right.mean(axis=0))


def test_with_all_labels_the_last_point_is_the_probe_without_budgets(made):
    x, labels, items = made
    all_labels = run(SHOTS.model_copy(update={"labels": None}), x, items)
    for protocol in (SHOTS, SHARES):
        last = run(protocol, x, items).curve[-1]
        assert last.draws == [last.value]  # there is one choice only
        assert last.value == all_labels.value
    folds = np.array(items.column("fold"))
    for fold in set(folds):
        expected = sk_predict(x, labels, folds != fold, folds == fold)
        assert np.array_equal(np.array(all_labels.predictions)[folds == fold], expected)


@pytest.mark.parametrize("protocol", [SHOTS, SHARES], ids=lambda protocol: protocol.id)
def test_labels_and_features_outside_the_drawn_items_change_nothing(made, protocol):
    x, labels, items = made
    task = task_of(protocol, items)
    for trains in draw(protocol.labels, task)[0].draws:
        few = task.learning_from(trains)
        honest = predict(protocol, x, few)
        for number, one in enumerate(few.rounds):
            others = np.setdiff1d(np.arange(len(labels)), one.train)
            poisoned, moved = labels.copy(), x.copy()
            poisoned[others] = (poisoned[others] + 1) % 4
            moved[np.setdiff1d(others, one.test)] *= 100  # the scaler too knows the drawn items alone
            other = replace(few, label_lists=[[k] for k in poisoned.tolist()])
            np.testing.assert_array_equal(predict(protocol, moved, other)[number].scores, honest[number].scores)


def test_draws_are_stratified_nested_and_within_the_training_items(made):
    _, labels, items = made
    task = task_of(SHOTS, items)
    budgets = draw(SHOTS.labels, task)
    for budget in budgets:
        for trains in budget.draws:
            for train, one in zip(trains, task.rounds, strict=True):
                assert set(train) <= set(one.train)
                assert np.bincount(labels[train]).tolist() == [min(budget.at, 30)] * 4
    for smaller, larger in pairwise(budgets[:-1]):
        for few, more in zip(smaller.draws, larger.draws, strict=True):
            assert all(set(a) < set(b) for a, b in zip(few, more, strict=True))
    assert len({b"".join(train.tobytes() for train in trains) for trains in budgets[0].draws}) == 5


@pytest.mark.parametrize(
    ("protocol", "frozen"),
    [
        (SHOTS, "fcb14955499e7432a773f56b89c66ed096fe1f6f589d2930543f6c6bbf14db49"),
        (SHARES, "fec075500fa3e12bfd696b0019dd7da4922ed106bcfcf6cab7cbecdd11c1d1a6"),
    ],
    ids=["few_shot@1", "label_fraction@1"],
)
def test_published_draws_never_change_and_do_not_hang_on_the_order_of_items(protocol, frozen):
    """The ids drawn from 200 items of 5 classes and 50 groups: a change makes old scores incomparable."""
    labels, folds, groups = np.arange(200) % 5, np.arange(200) // 40, np.arange(200) // 4
    task = task_of(protocol, items_of(labels, folds, groups))
    assert drawn(protocol, task) == frozen
    order = np.random.default_rng(0).permutation(200)
    place = np.argsort(order)
    mixed = replace(
        task,
        ids=[task.ids[i] for i in order],
        label_lists=[task.label_lists[i] for i in order],
        groups=task.groups[order],
        rounds=tuple(replace(r, train=np.sort(place[r.train]), test=np.sort(place[r.test])) for r in task.rounds),
    )
    assert drawn(protocol, mixed) == frozen


def drawn(protocol, task):
    told = [
        (budget.at, [[sorted(task.ids[i] for i in train) for train in trains] for trains in budget.draws])
        for budget in draw(protocol.labels, task)
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def test_permuted_labels_give_chance_at_every_budget():
    x, labels, folds = blobs(n=240)
    rng, shuffled = np.random.default_rng(5), labels.copy()
    for fold in set(folds):
        shuffled[folds == fold] = rng.permutation(shuffled[folds == fold])
    score = run(SHOTS, x, items_of(shuffled, folds))
    assert score.interval[0] <= 0.25 <= score.interval[1]
    assert all(abs(point.value - 0.25) < 0.07 for point in score.curve)
    honest = [point.value for point in run(SHOTS, x, items_of(labels, folds)).curve]
    assert honest[0] > 0.3
    assert honest[-1] > honest[0] + 0.1


@pytest.mark.parametrize("head", ["knn", "prototype"])
def test_other_heads_learn_from_few_labels_too(made, head):
    x, _, items = made
    other = load_protocol(f"{head}@1")
    score = run(other.model_copy(update={"labels": SHOTS.labels}), x, items)
    values = [point.value for point in score.curve]
    assert values[0] < values[2] < values[-1] == run(other, x, items).value


def test_several_labels_are_drawn_for_each_and_shares_keep_at_least_one(tmp_path):
    from audiossl.data.items import Item, Items

    rng = np.random.default_rng(0)
    has = rng.random((400, 6)) < np.geomspace(0.4, 0.03, 6)
    has[~has.any(1), 0] = True
    rows = [
        Item(id=f"c{i}", path=f"c{i}.wav", labels=[f"l{k}" for k in np.flatnonzero(row)], fold=i % 4)
        for i, row in enumerate(has)
    ]
    task = task_of(SHOTS, Items.from_rows(rows, tmp_path, name="several"))
    for protocol in (SHOTS, SHARES):
        for budget in draw(protocol.labels, task):
            for trains in budget.draws:
                for train, one in zip(trains, task.rounds, strict=True):
                    counts, there = task.truth[train].sum(0), task.truth[one.train].sum(0)
                    least = np.minimum(budget.at, there) if protocol is SHOTS else np.ones(6)
                    assert (counts >= least).all()


def test_classes_too_small_for_a_budget_are_taken_whole_and_named():
    labels = np.array([0] * 40 + [1] * 40 + [2] * 12)
    x, folds = np.random.default_rng(0).normal(size=(92, 3)), np.arange(92) % 4
    items = items_of([("cat", "dog", "owl")[k] for k in labels], folds)
    score = run(SHOTS, x, items)
    assert score.notes == ["fewer than 32 training items, so all of them are taken: cat (30), dog (30), owl (9)"]
    (whole,) = draw(SHOTS.labels, task_of(SHOTS, items))[-1].draws
    assert [len(train) for train in whole] == [69] * 4


def test_a_share_below_one_item_per_class_is_left_out_and_told(made):
    x, _, items = made
    score = run(SHARES, x, items)
    assert [point.at for point in score.curve] == [0.1, 1]
    assert score.notes == [
        "1 % of the 120 training items of made (round 1) is 1, fewer than the 4 classes; it is left out"
    ]


def test_a_score_whose_share_is_undefined_is_refused_before_anything_is_embedded():
    labels = np.arange(60) % 15
    with pytest.raises(
        UsageError, match=r"label_fraction@1 shows its score at 10 %, but 10 % of the 45 .* is 4, fewer than"
    ):
        task_of(SHARES, items_of(labels, np.arange(60) // 15))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("headline: 8", "headline: 3", "headline 3 is not one of the budgets; write one of them"),
        ("[1, 2, 4, 8, 16, 32]", "[1, 8, 4]", "write the budgets in ascending order, each once"),
        ("seeds: [0, 1, 2, 3, 4]", "seeds: [0, 0]", "write each seed once"),
        ("{name: fixed, strength: 0.1}", "{name: nested, strengths: [0.1]}", "none are left to choose on"),
        ("version: 1", "version: 1\nrepeats: 2", "leave repeats out"),
    ],
)
def test_faults_of_a_labels_section_are_told(tmp_path, old, new, told):
    path = tmp_path / "mine.yaml"
    path.write_text(list_protocols()["few_shot@1"].read_text().replace(old, new))
    with pytest.raises(RecipeError, match=told):
        load_protocol(str(path))
