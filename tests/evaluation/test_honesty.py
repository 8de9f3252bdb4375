"""What must hold for a score to be believed, and that the checks can fail."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.data.items import Item, Items
from audiossl.data.manifest import load_items
from audiossl.errors import DataError
from audiossl.evaluation import honesty
from audiossl.evaluation import rows as rows_module
from audiossl.evaluation.evaluate import evaluate
from audiossl.evaluation.probes import run, task_of
from audiossl.evaluation.protocol import Protocol, list_protocols, load_protocol
from audiossl.modality import MODALITIES
from tests.evaluation.made import WINGS, blobs, items_of, made_set, other_bytes, tiny_bundle

LINEAR, KNN = load_protocol("lr_nested@1"), load_protocol("knn@1")
QUICK = {"protocols": ["knn@1"], "baselines": False}


@pytest.fixture(scope="module", params=WINGS)
def wing(request):
    return request.param


@pytest.fixture(scope="module")
def bundle(wing):
    return tiny_bundle(wing)


@pytest.fixture
def table(wing, tmp_path):
    return made_set(wing, tmp_path / "labelled")


def test_the_digest_sees_every_bit_of_weights_and_buffers(bundle):
    first = honesty.digest(bundle)
    assert honesty.digest(bundle) == first
    for name, tensor in bundle.encoder.state_dict().items():
        before = tensor.clone()
        last = (-1,) * tensor.ndim
        changed = (
            tensor[last] + 1 if tensor.dtype == torch.int64 else torch.nextafter(tensor[last], tensor.new_tensor(9))
        )
        tensor[last] = changed
        assert honesty.digest(bundle) != first, name
        tensor.copy_(before)
    assert honesty.digest(bundle) == first


def test_an_evaluation_that_changes_the_encoder_is_our_fault(bundle, table, monkeypatch):
    def spoilt(*told):
        bundle.encoder.state_dict()[next(iter(bundle.encoder.state_dict()))].mul_(1.0001)
        return health(*told)

    health = rows_module.health
    monkeypatch.setattr(rows_module, "health", spoilt)
    with pytest.raises(RuntimeError, match="changed the weights of encoder 1"):
        evaluate(bundle, table, **QUICK)


def copied(table, make):
    """Let `make(from, to)` write some file's content under the name of another file of another fold."""
    items = load_items(table)
    folds, paths = items.column("fold"), items.paths()
    one, other = 0, next(i for i, fold in enumerate(folds) if fold != folds[0])
    make(paths[one], paths[other])
    return paths[one].name, paths[other].name


@pytest.mark.parametrize("same", ["bytes", "content"])
def test_an_example_on_both_sides_of_a_split_is_refused_with_both_names(wing, bundle, table, same):
    names = copied(table, shutil.copyfile if same == "bytes" else partial(other_bytes, wing))
    message = rf"the same {MODALITIES[wing].noun} is on both sides of a split.*\(split \d\)"
    with pytest.raises(DataError, match=message) as raised:
        evaluate(bundle, table, **QUICK)
    assert all(name in str(raised.value) for name in names)
    report = evaluate(bundle, table, allow_duplicates=True, **QUICK)
    assert len(report.data.duplicates) == 1
    assert all(name in report.data.duplicates[0] for name in names)


def test_an_example_twice_on_one_side_is_no_leak(bundle, table):
    items = load_items(table)
    folds, paths = items.column("fold"), items.paths()
    twin = next(i for i in range(1, len(items)) if folds[i] == folds[0])
    shutil.copyfile(paths[0], paths[twin])
    assert [alike.tolist() for alike in honesty.same_files(items)] == [[0, twin]]
    assert evaluate(bundle, table, folds=[folds[0]], **QUICK).data.duplicates == []


def test_two_stretches_of_one_file_are_two_sounds(tmp_path):
    (tmp_path / "long.wav").write_bytes(b"x")
    rows = [Item("a", "long.wav", 0.0, 1.0), Item("b", "long.wav", 1.0, 2.0), Item("c", "long.wav", 0.0, 1.0)]
    assert [alike.tolist() for alike in honesty.same_files(Items.from_rows(rows, tmp_path))] == [[0, 2]]


@pytest.mark.parametrize("offset", [0.0, 1e3], ids=["centred", "far from the origin"])
def test_only_embeddings_that_nearly_meet_are_decoded_again(offset):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8)).astype(np.float32)
    x[50], x[51] = x[7], x[7] * (1 + 1e-7)
    read = []

    def content(path, start_s, end_s):
        read.append(int(path.stem[4:]))
        return b"one" if read[-1] in (7, 50) else bytes([read[-1]])

    found = honesty.same_content(items_of([0] * 60), (x + offset).astype(np.float32), content)
    assert [alike.tolist() for alike in found] == [[7, 50]]
    assert {7, 50, 51} <= set(read) and len(read) < 10


def test_a_collapsed_encoder_hides_no_duplicate():
    content = {i: bytes([i // 2]) for i in range(20)}  # 0 and 1 are alike, 2 and 3 ...
    found = honesty.same_content(
        items_of([0] * 20), np.ones((20, 4), np.float32), lambda path, *_: content[int(path.stem[4:])]
    )
    assert [alike.tolist() for alike in found] == [[i, i + 1] for i in range(0, 20, 2)]


def test_validation_items_are_a_side_too():
    labels, folds = np.arange(12) % 2, [1] * 6 + [2] * 6
    task = task_of(KNN, items_of(labels, folds))
    one = replace(task.rounds[0], train=np.array([6, 7, 8]), valid=np.array([9, 10]), test=np.array([0, 1]))
    found = honesty.across([np.array([8, 9]), np.array([2, 3]), np.array([1, 10])], [replace(task, rounds=(one,))])
    assert [(twice.one, twice.other) for twice in found] == [(8, 9), (1, 10)]


@pytest.mark.parametrize("by", ["folds", "splits"])
def test_a_group_across_a_split_is_refused(by):
    groups = [f"g{i // 2}" for i in range(24)]
    labels = np.arange(24) % 2
    sides = {"folds": [1 + i % 2 for i in range(24)], "splits": [("train", "test")[i % 4 // 2] for i in range(24)]}
    if by == "splits":
        sides["splits"][0] = "test"  # clip 1, of the same group, trains
    with pytest.raises(DataError, match="on both sides of a split: group"):
        run(KNN, np.zeros((24, 2)), items_of(labels, groups=groups, **{by: sides[by]}))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), folds=st.integers(3, 4), spread=st.floats(0.5, 4))
def test_no_honest_choice_of_c_beats_the_best_c_of_the_test_fold(seed, classes, folds, spread):
    n = 12 * classes
    x, labels, _ = blobs(n=n, classes=classes, dim=5, spread=spread, seed=seed)
    items = items_of(labels, np.arange(n) // classes % folds + 1)
    few = LINEAR.selection.model_copy(update={"strengths": [1e-3, 1e-1, 10.0]})
    nested = run(LINEAR.model_copy(update={"selection": few}), x, items, threads=1)
    fixed = []
    for strength in few.strengths:
        alone = LINEAR.model_copy(update={"selection": few.model_copy(update={"strengths": [strength]})})
        fixed.append([fold.metrics["accuracy"] for fold in run(alone, x, items, threads=1).folds])
    assert (np.max(fixed, axis=0) >= [fold.metrics["accuracy"] for fold in nested.folds]).all()


def scores_clips_by_labels():
    """Shipped protocols that learn from the labels of embedded clips."""
    found = [load_protocol(name) for name in list_protocols()]
    return [one for one in found if "single" in one.metrics and one.features.unit == "clip" and one.head.learns]


def easy(n: int, classes: int, folds: int) -> tuple[np.ndarray, Items]:
    """Features that tell their classes apart."""
    x, labels, fold_N = blobs(n=n, classes=classes, folds=folds, dim=32, spread=0.3)
    return x, items_of(labels, fold_N)


def quick(protocol: Protocol) -> Protocol:
    """Once, and with fewer epochs: what is leaked, if anything is, does not depend on them."""
    epochs = getattr(protocol.fit, "epochs", 0)
    fit = (
        protocol.fit.model_copy(update={"epochs": min(15 if protocol.head.name == "mlp" else 200, epochs)})
        if epochs
        else protocol.fit
    )
    return protocol.model_copy(update={"repeats": 1, "fit": fit})


@pytest.mark.parametrize("protocol", scores_clips_by_labels(), ids=lambda protocol: protocol.id)
def test_permuted_labels_give_chance(protocol):
    n, classes, folds = 160, 4, 4
    x, labels, fold_N = blobs(n=n, classes=classes, folds=folds, dim=32, spread=1.5)
    protocol = quick(protocol)
    rng, shuffled = np.random.default_rng(5), labels.copy()
    for fold in set(fold_N):  # within folds: a class rare in training is common in the test, which is worse than chance
        shuffled[fold_N == fold] = rng.permutation(shuffled[fold_N == fold])
    chance = run(protocol, x, items_of(shuffled, fold_N))
    deviation = (0.25 * 0.75 / n) ** 0.5
    if protocol.test_selected:  # it looks at the test, so that it may be above chance, but not below
        assert chance.value >= 0.25 - 2.6 * deviation
    else:
        assert abs(chance.value - 0.25) <= 2.6 * deviation  # 99 % of a binomial
    assert run(protocol, *easy(n, classes, folds)).value > 0.4


def test_every_score_says_what_it_was_made_of(bundle, table):
    report = evaluate(bundle, table, protocols=["knn@1"], seeds=[0, 1], cache=False)
    scores = [(row, name, score) for row in report.rows for name, score in row.scores.items()]
    assert len(scores) == 5
    for _, name, score in scores:
        assert score.protocol_hash == load_protocol(name).hash
        assert score.split_hash == report.data.split_hash == load_items(Path(table)).split_hash
        assert score.seed == report.protocols[name]["seed"]
        assert len(score.embedding_hash) == 64
    assert {score.embedding_hash for row, _, score in scores if row.kind == "pretrained"} == {bundle.sha256}
    assert len({score.embedding_hash for _, _, score in scores}) == 5  # one for each row
