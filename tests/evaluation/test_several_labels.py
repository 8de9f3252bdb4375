from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from audiossl.data.items import Design, Item, Items
from audiossl.errors import DataError
from audiossl.evaluation.gains import gains
from audiossl.evaluation.heads.neighbours import unit_rows, votes
from audiossl.evaluation.measures.floors import floors
from audiossl.evaluation.measures.multilabel import MultiLabelScores
from audiossl.evaluation.outcome import Outcome, score_of
from audiossl.evaluation.probes import predict, run, run_task, task_of
from audiossl.evaluation.protocol import load_protocol
from audiossl.evaluation.protocol.parts import NestedConfig
from audiossl.evaluation.scores import Health, Row

FEW = {"interval": load_protocol("knn@1").interval.model_copy(update={"draws": 300})}
LINEAR, KNN = (load_protocol(name).model_copy(update=FEW) for name in ("lr_nested@1", "knn@1"))
NAMES = ["bell", "dog", "rain", "wind"]


def items_of(truth, folds=None, groups=None, splits=None, design=None):
    rows = [
        Item(
            f"clip{i}",
            f"clip{i}.wav",
            labels=[NAMES[k] for k in np.flatnonzero(has)],
            fold=None if folds is None else int(folds[i]),
            group=None if groups is None else str(groups[i]),
            split=None if splits is None else splits[i],
        )
        for i, has in enumerate(truth)
    ]
    return Items.from_rows(rows, Path("sounds"), name="made", design=design)


def made(n=120, folds=4, noise=2.0, seed=0):
    """Features (n, 10), labels (n, 4) of which some items have several and some none, folds."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 4)) < [0.5, 0.3, 0.2, 0.15]
    x = truth @ rng.normal(size=(4, 10)) + noise * rng.normal(size=(n, 10)) * 0.5
    return x, truth, np.arange(n) % folds + 1


@pytest.fixture(scope="module")
def sounds():
    x, truth, folds = made()
    return x, items_of(truth, folds)


def test_linear_probe_equals_nested_selection_by_map_written_out(sounds):
    x, items = sounds
    task = task_of(LINEAR, items)
    protocol = LINEAR.model_copy(update={"selection": NestedConfig(strengths=[1e-3, 1e-1, 10.0])})
    score = run(protocol, x, items)
    folds = np.array(items.column("fold"))
    for fold in score.folds[1:3]:
        train = folds != int(fold.name)
        means = []
        for strength in protocol.selection.strengths:
            held = []
            for inner in sorted(set(folds[train])):
                scores = by_hand(x, task, train & (folds != inner), strength)(folds == inner)
                held.append(sk.average_precision_score(task.truth[folds == inner], scores))
            means.append(np.mean(held))
        best = protocol.selection.strengths[int(np.argmax(np.round(means, 12)))]
        scores = by_hand(x, task, train, best)(~train)
        assert fold.chosen["C"] == best
        assert fold.metrics["map_macro"] == pytest.approx(sk.average_precision_score(task.truth[~train], scores))
        assert fold.metrics["auc_macro"] == pytest.approx(sk.roc_auc_score(task.truth[~train], scores))
    assert score.value == pytest.approx(np.mean([fold.metrics["map_macro"] for fold in score.folds]))
    assert score.metric == "map_macro"
    assert not score.predictions and not score.right


def by_hand(x, task, train, strength):
    scaler = StandardScaler().fit(x[train])
    heads = [
        LogisticRegression(C=strength, solver="newton-cg", tol=1e-8, max_iter=1000).fit(scaler.transform(x[train]), has)
        for has in task.truth[train].T
    ]
    return lambda other: np.stack([head.decision_function(scaler.transform(x[other])) for head in heads], axis=1)


def test_where_the_data_set_brings_validation_items_these_choose_and_do_not_train():
    x, truth, _ = made(n=160)
    splits = np.repeat(["train", "valid", "test"], [80, 40, 40])
    design = Design(target="multi", by="split", train=("train",), valid=("valid",))
    task = task_of(LINEAR, items_of(truth, splits=splits, design=design))
    train, valid, test = (splits == side for side in ("train", "valid", "test"))
    values = [
        sk.average_precision_score(truth[valid], by_hand(x, task, train, strength)(valid))
        for strength in LINEAR.selection.strengths
    ]
    (outcome,) = predict(LINEAR, x, task)
    assert outcome.chosen["C"] == LINEAR.selection.strengths[int(np.argmax(np.round(values, 12)))]
    np.testing.assert_allclose(outcome.scores, by_hand(x, task, train, outcome.chosen["C"])(test), atol=1e-3)


def test_neighbours_give_each_label_its_share_of_the_votes():
    x, truth, _ = made(n=60)
    query, reference = x[:15], x[15:]
    found = votes(query, reference, truth[15:], 4, k=7, temperature=0.2)
    for q in range(15):
        similar = unit_rows(reference) @ unit_rows(query)[q]
        nearest = np.argsort(-similar)[:7]
        weights = np.exp(similar[nearest] / 0.2)
        np.testing.assert_allclose(found[q], weights @ truth[15:][nearest] / weights.sum(), rtol=1e-9)
    assert (votes(query, reference, np.ones((45, 1), bool), 1, k=7, temperature=None) == 1).all()


@pytest.mark.parametrize("protocol", [LINEAR, KNN], ids=lambda protocol: protocol.id)
def test_labels_of_the_test_fold_change_no_score(sounds, protocol):
    x, items = sounds
    task = task_of(protocol, items)
    honest, one = predict(protocol, x, task), task.rounds[1]
    poisoned = [[0, 3] if item in one.test else labels for item, labels in enumerate(task.label_lists)]
    other = predict(protocol, x, replace(task, label_lists=poisoned))[1]
    np.testing.assert_array_equal(other.scores, honest[1].scores)
    assert other.chosen == honest[1].chosen


@pytest.mark.parametrize("protocol", [LINEAR, KNN], ids=lambda protocol: protocol.id)
def test_permuted_labels_give_a_coin(protocol):
    x, truth, folds = made(n=240, noise=0.6)
    by_auc = Design(metric="auc_macro")
    shuffled = truth[np.random.default_rng(1).permutation(240)]
    score = run(protocol, x, items_of(shuffled, folds, design=by_auc))
    assert score.metric == "auc_macro"
    assert score.interval[0] <= 0.5 <= score.interval[1]
    assert run(protocol, x, items_of(truth, folds, design=by_auc)).interval[0] > 0.8


def test_the_interval_is_that_of_the_metric_on_whole_groups(sounds):
    x, items = sounds
    truth = task_of(KNN, items).truth
    groups = np.arange(120) // 8
    task = task_of(KNN, items_of(truth, groups % 3 + 1, groups))
    score = run_task(KNN, x, task)
    assert score.interval[0] <= score.value <= score.interval[1]
    # A slow bootstrap that copies the items of every drawn group.
    outcomes, rng, slow = predict(KNN, x, task), np.random.default_rng(7), []
    for _ in range(200):
        values = []
        for one, outcome in zip(task.rounds, outcomes, strict=True):
            names = np.unique(groups[one.test])
            drawn = rng.choice(names, len(names))
            items = np.concatenate([np.flatnonzero(groups[one.test] == name) for name in drawn])
            values.append(MultiLabelScores(outcome.scores[items], task.truth[one.test][items]).map_macro())
        slow.append(np.mean(values))
    assert np.std(score.draws) == pytest.approx(np.std(slow), rel=0.25)
    np.testing.assert_allclose(score.interval, np.quantile(slow, [0.025, 0.975]), atol=0.03)


def test_gains_are_paired_draw_by_draw(sounds):
    x, items = sounds
    task = task_of(KNN, items)
    rng = np.random.default_rng(0)
    scores = [
        run_task(KNN, values, task) for values in (x, x + 0.5 * rng.normal(size=x.shape), rng.normal(size=x.shape))
    ]
    rows = [
        Row(kind=kind, name=kind, models=[0], seed=None, sha256=None, dim=10, scores={KNN.id: score}, health=HEALTH)
        for kind, score in zip(["pretrained", "untrained", "untrained"], scores, strict=True)
    ]
    (gain,) = gains(rows, [KNN], [task])
    paired = np.array(scores[0].draws) - (np.array(scores[1].draws) + scores[2].draws) / 2
    assert gain.gain == pytest.approx(scores[0].value - (scores[1].value + scores[2].value) / 2)
    np.testing.assert_allclose(gain.interval, np.quantile(paired, [0.025, 0.975]))
    (none,) = gains([rows[0], rows[0].model_copy(update={"kind": "untrained"})], [KNN], [task])
    assert none.gain == 0 and none.interval == (0, 0)


HEALTH = Health.model_construct(rankme=1.0, deviation=1.0, uniformity=-1.0)


def test_floors_are_prevalence_and_frequencies(sounds):
    _, items = sounds
    task = task_of(LINEAR, items)
    found = floors(task)
    prevalence = np.mean([task.truth[one.test].mean(axis=0).mean() for one in task.rounds])
    assert found["chance"]["map_macro"] == found["class frequencies"]["map_macro"] == pytest.approx(prevalence)
    assert found["chance"]["auc_macro"] == 0.5 and found["chance"]["dprime_macro"] == 0
    assert found["class frequencies"]["lwlrap"] > found["chance"]["lwlrap"]


def test_classes_that_no_test_item_has_are_left_out_and_told():
    x, truth, folds = made()
    truth[folds == 2, 3] = False
    score = run(KNN, x, items_of(truth, folds))
    assert score.notes == ["of 4 classes no test item has 1 in 2: macro averages leave them out"]


def test_folds_without_any_label_are_refused():
    x, truth, folds = made()
    truth[folds == 2] = False
    with pytest.raises(DataError, match="made: no item tested in 2 has a label, so there is no mAP to measure"):
        run(KNN, x, items_of(truth, folds))


def test_a_class_that_training_lacks_is_refused_by_name():
    _, truth, folds = made()
    truth[folds != 2, 3] = False
    with pytest.raises(DataError, match="wind is tested in 2 but never trained on"):
        task_of(KNN, items_of(truth, folds))


def test_made_folds_of_several_labels_spread_each_of_them():
    _, truth, _ = made(n=200)
    task = task_of(LINEAR, items_of(truth))
    assert len(task.rounds) == 5
    for one in task.rounds:
        np.testing.assert_allclose(task.truth[one.test].sum(axis=0), truth.sum(axis=0) / 5, atol=1)
        for _, held_out in one.inner:
            assert task.truth[held_out].any(axis=0).all()


def test_a_perfect_score_of_one_repeat_needs_no_single_label(sounds):
    _, items = sounds
    task = task_of(KNN, items)
    perfect = [Outcome(task.truth[one.test].astype(float)) for one in task.rounds]
    score = score_of(KNN, task, [perfect, perfect])
    assert score.value == 1 and score.repeats == [1, 1] and score.interval == (1, 1)


def test_every_class_has_its_average_precision_over_the_folds_that_test_it():
    x, truth, folds = made()
    truth[folds <= 2, 3] = False
    task = task_of(KNN, items_of(truth, folds))
    outcomes = predict(KNN, x, task)
    score = score_of(KNN, task, [outcomes])
    by_fold = [
        [
            sk.average_precision_score(truth[one.test, k], outcome.scores[:, k]) if truth[one.test, k].any() else None
            for k in range(4)
        ]
        for one, outcome in zip(task.rounds, outcomes, strict=True)
    ]
    expected = [np.mean([fold[k] for fold in by_fold if fold[k] is not None]) for k in range(4)]
    np.testing.assert_allclose(score.by_class, expected, rtol=1e-12)
    assert [fold[3] for fold in by_fold].count(None) == 2
    never = replace(task, label_lists=[[k for k in labels if k != 3] for labels in task.label_lists])
    assert score_of(KNN, never, [outcomes]).by_class == [*score.by_class[:3], None]
