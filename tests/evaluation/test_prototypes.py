from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audiossl.evaluation.heads.prototypes import prototypes
from audiossl.evaluation.probes import predict, run, task_of
from audiossl.evaluation.protocol import load_protocol
from tests.evaluation.made import blobs, items_of

PROTOCOL = load_protocol("prototype@1")


def slow_predictions(x, labels, train, test):
    mean, deviation = x[train].mean(0), x[train].std(0)
    unit = [(row - mean) / deviation / np.linalg.norm((row - mean) / deviation) for row in x]
    means = {k: np.mean([unit[i] for i in train if labels[i] == k], axis=0) for k in sorted(set(labels[train]))}
    return [max(means, key=lambda k: float(unit[i] @ means[k] / np.linalg.norm(means[k]))) for i in test]


def test_nearest_prototype_equals_a_slow_loop():
    x, labels, folds = blobs(n=90, classes=3)
    score = run(PROTOCOL, x * np.logspace(-2, 2, x.shape[1]), items_of(labels, folds))
    for fold in set(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        assert np.array(score.predictions)[test].tolist() == slow_predictions(x, labels, train, test)
    assert 0.5 < score.value < 1


def test_prototypes_of_several_labels_count_an_item_for_each():
    x = np.array([[3.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    truth = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0]], bool)
    assert prototypes(x, truth).tolist() == [[1, 0], [0.5, 0.5], [0, 0]]


def test_labels_of_the_test_fold_change_no_prediction():
    x, labels, folds = blobs()
    task = task_of(PROTOCOL, items_of(labels, folds))
    for number, one in enumerate(task.rounds):
        poisoned = labels.copy()
        poisoned[one.test] = (poisoned[one.test] + 1) % 4
        other = replace(task, label_lists=[[k] for k in poisoned.tolist()])
        honest = predict(PROTOCOL, x, task)[number].scores
        np.testing.assert_array_equal(predict(PROTOCOL, x, other)[number].scores, honest)


def test_permuted_labels_give_chance():
    x, labels, folds = blobs(n=240)
    rng, shuffled = np.random.default_rng(5), labels.copy()
    for fold in set(folds):
        shuffled[folds == fold] = rng.permutation(shuffled[folds == fold])
    low, high = run(PROTOCOL, x, items_of(shuffled, folds)).interval
    assert low <= 0.25 <= high


def test_a_class_that_training_lacks_is_never_predicted():
    x, labels, folds = blobs(classes=4)
    task = task_of(PROTOCOL, items_of(labels, folds))
    few = task.learning_from([one.train[labels[one.train] != 2] for one in task.rounds])
    assert all(2 not in outcome.predicted for outcome in predict(PROTOCOL, x, few))


@pytest.mark.parametrize("protocol", [PROTOCOL], ids=lambda protocol: protocol.id)
def test_a_collapsed_encoder_does_not_crash(protocol):
    labels = np.arange(40) % 4
    assert run(protocol, np.ones((40, 3)), items_of(labels, np.arange(40) // 20)).value == 0.25
