"""Heads trained by gradient descent, against slow restatements of the kits' own loops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from audiossl import rng
from audiossl.data.items import Item, Items
from audiossl.errors import DataError
from audiossl.evaluation.heads.networks import build_head
from audiossl.evaluation.heads.validation import sides
from audiossl.evaluation.probes import predict, run, task_of
from audiossl.evaluation.protocol import load_protocol
from audiossl.evaluation.protocol.gradient import LastEpochConfig
from tests.evaluation.made import blobs, items_of

EVAR, XARES = load_protocol("evar2026@1"), load_protocol("xares2025@1")


def smaller(protocol, head=None, fit=None, selection=None, **parts):
    """The protocol with other numbers."""
    changed = {"head": head, "fit": fit, "selection": selection}
    parts |= {name: getattr(protocol, name).model_copy(update=told) for name, told in changed.items() if told}
    return protocol.model_copy(update=parts)


HEAR = smaller(
    load_protocol("hear2021@1"),
    head={"width": 16},
    fit={"epochs": 12, "learning_rate": [1e-2, 1e-3]},
    selection={"points": 3},
)
SGD = load_protocol("fonseca2021@1").model_copy(
    update={"features": EVAR.features, "aggregation": "none", "metrics": EVAR.metrics}
)
"""The fit of Fonseca et al. on one embedding per clip."""
QUICK = smaller(XARES, fit={"epochs": 5, "learning_rate": 3e-2})
FAST = [
    smaller(EVAR, fit={"epochs": 20, "learning_rate": 3e-2}, repeats=2),
    QUICK,
    HEAR,
    smaller(SGD, fit={"epochs": 10}),
]


@pytest.fixture(scope="module")
def made():
    x, labels, folds = blobs()
    return x, items_of(labels, folds)


def slow_evar(protocol, x, labels, n_classes, learn, valid, scaled, test, seed, place):
    """EVAR's training written out in NumPy: softmax regression, Adam, its early stopping; (scores, epoch)."""
    scaler = StandardScaler().fit(x[scaled])
    x, one_hot = scaler.transform(x), np.eye(n_classes)[labels]
    layer = build_head(protocol.head, x.shape[1], n_classes, rng.torch_stream("cpu", seed, "head", place))[0]
    w = np.vstack([layer.weight.detach().numpy().T, layer.bias.detach().numpy()]).astype(float)
    x = np.hstack([x, np.ones((len(x), 1))])
    m, v, t, rate, batch = np.zeros_like(w), np.zeros_like(w), 0, protocol.fit.learning_rate, protocol.fit.batch_size

    def probabilities(rows):
        e = np.exp(x[rows] @ w - (x[rows] @ w).max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    best_value, best_epoch, best_w, wait = 0.0, None, None, 0
    for epoch in range(1, protocol.fit.epochs + 1):
        order = learn[rng.numpy_stream(seed, "epoch", place, epoch).permutation(len(learn))]
        for rows in (order[k : k + batch] for k in range(0, len(order), batch)):
            t += 1
            g = x[rows].T @ (probabilities(rows) - one_hot[rows]) / (len(rows) * n_classes) + 1e-8 * w
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            w = w - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        value = (probabilities(valid).argmax(axis=1) == labels[valid]).mean()
        if value >= best_value:
            best_value, best_epoch, best_w, wait = value, epoch, w.copy(), 1
        elif wait >= protocol.selection.patience:
            break
        else:
            wait += 1
    w = best_w
    return probabilities(test), best_epoch


def test_evar_equals_its_training_loop_written_out():
    x, labels, folds = blobs(n=240, folds=3, spread=2.5, seed=1)
    # Two batches an epoch as in a larger set, and fast enough that some rounds stop early.
    protocol = smaller(
        EVAR, fit={"batch_size": 100, "learning_rate": 3e-3, "epochs": 60}, selection={"patience": 7}, repeats=1
    )
    task = task_of(protocol, items_of(labels, folds))
    outcomes = predict(protocol, x, task, seed=4)
    for one, outcome in zip(task.rounds, outcomes, strict=True):
        learn, valid, scaled = sides(protocol, task, one, 4)
        scores, epoch = slow_evar(protocol, x, labels, 4, learn, valid, scaled, one.test, 4, one.place)
        assert outcome.chosen == {"epoch": epoch}
        np.testing.assert_allclose(outcome.scores, scores, atol=2e-5)
    assert len({outcome.chosen["epoch"] for outcome in outcomes}) > 1


def test_sgd_equals_torchs_own_loop_with_its_schedule(made):
    x, items = made
    protocol = smaller(SGD, fit={"epochs": 9, "milestones": [3, 6], "batch_size": 32}, selection=None).model_copy(
        update={"selection": LastEpochConfig()}
    )
    task = task_of(protocol, items)
    x_32 = torch.from_numpy(x.astype(np.float32))
    for one, outcome in zip(task.rounds, predict(protocol, x, task, seed=2), strict=True):
        layer = build_head(protocol.head, x.shape[1], 4, rng.torch_stream("cpu", 2, "head", one.place))
        optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 6], gamma=0.1)
        for epoch in range(1, 10):
            order = one.train[rng.numpy_stream(2, "epoch", one.place, epoch).permutation(len(one.train))]
            for rows in (order[k : k + 32] for k in range(0, len(order), 32)):
                optimiser.zero_grad()
                F.cross_entropy(layer(x_32[rows]), torch.from_numpy(task.labels[rows])).backward()
                optimiser.step()
            schedule.step()
        wanted = layer(x_32[one.test]).softmax(1).detach().numpy()
        np.testing.assert_allclose(outcome.scores, wanted, atol=1e-6)


def test_trained_to_the_end_it_is_logistic_regression(made):
    x, items = made
    protocol = smaller(
        SGD, fit={"epochs": 400, "learning_rate": 0.3, "milestones": [], "weight_decay": 0.01}
    ).model_copy(update={"selection": LastEpochConfig(), "scaler": "standard"})
    task = task_of(protocol, items).only(["1"])
    outcome = predict(protocol, x, task)[0]
    train, test = task.rounds[0].train, task.rounds[0].test
    scaler = StandardScaler().fit(x[train])
    # SGD decays the intercepts too: a feature of ones that is penalised like the others, and no free intercept.
    x_1 = np.hstack([scaler.transform(x), np.ones((len(x), 1))])
    exact = LogisticRegression(C=1 / (0.01 * len(train)), fit_intercept=False, tol=1e-8).fit(
        x_1[train], task.labels[train]
    )
    np.testing.assert_allclose(outcome.scores, exact.predict_proba(x_1[test]), atol=1e-4)


@pytest.mark.parametrize("protocol", FAST, ids=lambda protocol: protocol.id)
def test_scores_do_not_depend_on_threads(made, protocol):
    x, items = made
    before = torch.get_rng_state()
    assert run(protocol, x, items, threads=1) == run(protocol, x, items, threads=3)
    assert (torch.get_rng_state() == before).all()


@pytest.mark.parametrize("protocol", FAST, ids=lambda protocol: protocol.id)
def test_labels_of_the_test_fold_change_no_prediction_unless_the_protocol_says_so(made, protocol):
    x, items = made
    task = task_of(protocol, items)
    honest = predict(protocol, x, task)
    # A grid is chosen in the first round for all. There the original leaks, but the first round itself is clean.
    rounds = task.rounds[:1] if protocol is HEAR else task.rounds
    same = []
    for one, before in zip(rounds, honest, strict=False):
        poisoned = task.labels.copy()
        poisoned[one.test] = (poisoned[one.test] + 1) % 4
        labels = [[k] for k in poisoned.tolist()]
        after = predict(protocol, x, replace(task, rounds=(one,), label_lists=labels))[0]
        same.append(np.array_equal(after.scores, before.scores) and after.chosen == before.chosen)
    assert all(same) != protocol.test_selected


@pytest.mark.parametrize("protocol", FAST, ids=lambda protocol: protocol.id)
def test_it_learns_and_permuted_labels_give_chance(protocol):
    x, labels, folds = blobs(n=240)
    stream, shuffled = np.random.default_rng(5), labels.copy()
    for fold in set(folds):
        shuffled[folds == fold] = stream.permutation(shuffled[folds == fold])
    assert run(protocol, x, items_of(labels, folds)).value > 0.5
    assert run(protocol, x, items_of(shuffled, folds)).value == pytest.approx(0.25, abs=0.12)


def test_the_best_epoch_on_the_test_is_the_best_of_all_epochs(made):
    """So it is never worse than an honest one: every epoch is rerun as a last epoch."""
    x, items = made
    oracle = run(QUICK, x, items)
    assert oracle.test_selected
    last = [
        run(
            smaller(QUICK, fit={"epochs": n}, test_selected=False).model_copy(update={"selection": LastEpochConfig()}),
            x,
            items,
        )
        for n in range(1, 6)
    ]
    curve = np.array([[fold.metrics["accuracy"] for fold in score.folds] for score in last])
    assert [fold.metrics["accuracy"] for fold in oracle.folds] == curve.max(axis=0).tolist()
    assert [fold.chosen["epoch"] for fold in oracle.folds] == (curve.argmax(axis=0) + 1).tolist()
    assert oracle.value > curve[-1].mean()
    assert not last[0].test_selected


@pytest.mark.parametrize(("ties", "epoch"), [("first", 1.0), ("last", 6.0)])
def test_ties_go_to_the_first_or_the_last_epoch(made, ties, epoch):
    x, items = made
    protocol = smaller(EVAR, fit={"epochs": 6, "learning_rate": 1e-12}, selection={"ties": ties}, repeats=1)
    assert {fold.chosen["epoch"] for fold in run(protocol, x, items).folds} == {epoch}


def test_patience_ends_the_training(made):
    x, items = made
    told = {"validate_every": 3, "patience": 2, "ties": "first"}
    protocol = smaller(EVAR, fit={"epochs": 60, "learning_rate": 1e-12}, selection=told, repeats=1)
    assert {fold.chosen["epoch"] for fold in run(protocol, x, items).folds} == {3.0}


def test_the_grid_is_chosen_in_the_first_round_and_used_in_all(made):
    x, items = made
    folds = run(HEAR, x, items).folds
    assert len({tuple(sorted((k, v) for k, v in fold.chosen.items() if k != "epoch")) for fold in folds}) == 1
    assert all(fold.chosen["epoch"] in (3.0, 6.0, 9.0, 12.0) for fold in folds)


def test_repeats_draw_anew_and_are_averaged(made):
    x, items = made
    score = run(smaller(EVAR, fit={"epochs": 5, "learning_rate": 3e-2}), x, items)
    assert len(score.repeats) == 3 and len(set(score.repeats)) > 1
    assert score.value == pytest.approx(np.mean(score.repeats))


def test_several_labels_are_learnt_by_a_sigmoid_each():
    x, labels, folds = blobs(n=200, classes=4)
    both = [[k] if i % 3 else [k, (k + 1) % 4] for i, k in enumerate(labels.tolist())]
    single = task_of(EVAR, items_of(labels, folds))
    task = replace(single, target="multi", label_lists=both)
    fit = {"epochs": 400, "learning_rate": 1.0, "milestones": [], "weight_decay": 0.01, "batch_size": 200}
    protocol = smaller(SGD, fit=fit).model_copy(
        update={"selection": LastEpochConfig(), "scaler": "standard", "metrics": {"multi": ["map_macro"]}}
    )
    outcome = predict(protocol, x, task.only(["1"]))[0]
    one = task.rounds[0]
    scaler = StandardScaler().fit(x[one.train])
    x_1 = np.hstack([scaler.transform(x), np.ones((len(x), 1))])
    for k in range(4):
        # The mean over 4 classes too makes each class's loss a quarter, and so its penalty four times as strong.
        exact = LogisticRegression(C=1 / (4 * 0.01 * len(one.train)), fit_intercept=False, tol=1e-8)
        exact.fit(x_1[one.train], task.truth[one.train, k])
        np.testing.assert_allclose(outcome.scores[:, k], exact.predict_proba(x_1[one.test])[:, 1], atol=1e-4)


def test_the_epoch_of_several_labels_is_chosen_by_their_own_metric():
    x, labels, folds = blobs(n=120)
    rows = [
        Item(id=str(i), path=f"{i}.wav", labels=[str(k), str((k + 1) % 4)] if i % 3 == 0 else [str(k)], fold=int(fold))
        for i, (k, fold) in enumerate(zip(labels, folds, strict=True))
    ]
    score = run(QUICK, x, Items.from_rows(rows, Path("sounds"), name="made"))
    assert score.metric == "map_macro" and score.test_selected and score.value > 0.5
    assert all(1 <= fold.chosen["epoch"] <= 5 for fold in score.folds)


def test_a_last_batch_of_one_item_stops_no_batch_norm(made):
    x, items = made
    assert run(smaller(HEAR, fit={"batch_size": 59}), x, items).value > 0.5  # 60 items are learnt from


def test_a_head_that_diverges_is_told(made):
    x, items = made
    with pytest.raises(DataError, match="the head diverged"):
        run(SGD, x * 1e25, items)


def test_a_fixed_c_is_scikit_learns(made):
    x, items = made
    fixed = load_protocol("lr_fixed@1")
    task = task_of(fixed, items)
    for one, outcome in zip(task.rounds, predict(fixed, x, task), strict=True):
        scaler = StandardScaler().fit(x[one.train])
        exact = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-8, max_iter=1000)
        exact.fit(scaler.transform(x[one.train]), task.labels[one.train])
        e = np.exp(outcome.scores)
        np.testing.assert_allclose(
            e / e.sum(1, keepdims=True), exact.predict_proba(scaler.transform(x[one.test])), atol=1e-4
        )
        assert outcome.chosen == {"C": 1.0}
