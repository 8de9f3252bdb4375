from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from audiossl.errors import DataError
from audiossl.evaluation.probes import predict, run, task_of
from audiossl.evaluation.protocol import load_protocol
from tests.evaluation.made import blobs, items_of

LINEAR, KNN = load_protocol("lr_nested@1"), load_protocol("knn@1")


@pytest.fixture(scope="module")
def made():
    x, labels, folds = blobs()
    return x, items_of(labels, folds)


def test_linear_probe_equals_nested_selection_written_out(made):
    x, items = made
    labels, folds = np.array([int(c) for c in items.label_list()]), np.array(items.column("fold"))
    score = run(LINEAR, x, items)
    for fold in score.folds:
        train = folds != int(fold.name)
        right = []
        for strength in LINEAR.selection.strengths:
            hits = 0
            for inner in sorted(set(folds[train])):
                fit, held = train & (folds != inner), folds == inner
                hits += (sk_fit(x, labels, fit, strength)(x[held]) == labels[held]).sum()
            right.append(hits)
        best = LINEAR.selection.strengths[int(np.argmax(right))]
        predicted = sk_fit(x, labels, train, best)(x[~train])
        assert fold.chosen["C"] == best
        assert (predicted == np.array(score.predictions)[~train]).all()
        assert fold.metrics["accuracy"] == (predicted == labels[~train]).mean()
    assert score.value == pytest.approx(np.mean([fold.metrics["accuracy"] for fold in score.folds]))


def sk_fit(x, labels, train, strength):
    scaler = StandardScaler().fit(x[train])
    head = LogisticRegression(C=strength, solver="newton-cg", tol=1e-6, max_iter=10_000)
    head.fit(scaler.transform(x[train]), labels[train])
    return lambda other: head.predict(scaler.transform(other))


@pytest.mark.parametrize("protocol", [LINEAR, KNN], ids=lambda protocol: protocol.id)
def test_labels_of_the_test_fold_change_no_prediction(made, protocol):
    x, items = made
    task = task_of(protocol, items)
    honest = predict(protocol, x, task)
    for number, one in enumerate(task.rounds):
        poisoned = task.labels.copy()
        poisoned[one.test] = (poisoned[one.test] + 1) % 4
        outcome = predict(protocol, x, replace(task, label_lists=[[k] for k in poisoned.tolist()]))[number]
        assert (outcome.predicted == honest[number].predicted).all()
        assert outcome.chosen == honest[number].chosen


def test_choosing_on_the_test_fold_is_never_worse_than_nested(made):
    x, items = made
    nested = run(LINEAR, x, items)
    fixed = []
    for strength in LINEAR.selection.strengths:
        selection = LINEAR.selection.model_copy(update={"strengths": [strength]})
        fixed.append(
            [
                fold.metrics["accuracy"]
                for fold in run(LINEAR.model_copy(update={"selection": selection}), x, items).folds
            ]
        )
    oracle = np.max(fixed, axis=0)
    assert (oracle >= [fold.metrics["accuracy"] for fold in nested.folds]).all()
    at = [LINEAR.selection.strengths.index(fold.chosen["C"]) for fold in nested.folds]
    assert [fixed[c][k] for k, c in enumerate(at)] == [fold.metrics["accuracy"] for fold in nested.folds]


@pytest.mark.parametrize("protocol", [LINEAR, KNN], ids=lambda protocol: protocol.id)
def test_permuted_labels_give_chance(protocol):
    x, labels, folds = blobs(n=240)
    rng, shuffled = np.random.default_rng(5), labels.copy()
    for fold in set(folds):  # within folds: a class rare in training is common in the test, which is worse than chance
        shuffled[folds == fold] = rng.permutation(shuffled[folds == fold])
    score = run(protocol, x, items_of(shuffled, folds))
    assert score.interval[0] <= 0.25 <= score.interval[1]
    assert run(protocol, x, items_of(labels, folds)).interval[0] > 0.4


def test_scores_do_not_depend_on_threads_or_order_of_runs(made):
    x, items = made
    assert run(LINEAR, x, items, threads=1) == run(LINEAR, x, items, threads=3)


def test_the_scaler_makes_units_irrelevant(made):
    x, items = made
    scaled = x * np.logspace(-3, 3, x.shape[1]) + 7
    assert run(KNN, scaled, items).predictions == run(KNN, x, items).predictions


def test_an_embedding_that_is_not_finite_is_named(made):
    x, items = made
    broken = x.copy()
    broken[7, 3] = np.nan
    with pytest.raises(DataError, match="embedding of clip7 is not finite"):
        run(KNN, broken, items)
