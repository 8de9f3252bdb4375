from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiossl.data.manifest import load_items
from audiossl.errors import DataError, UsageError
from audiossl.evaluation import baselines
from audiossl.evaluation.evaluate import evaluate
from audiossl.evaluation.features import source
from audiossl.modality import AUDIO
from audiossl.progress import Silent
from tests.evaluation.made import WINGS, cut_file, items_of, made_set, saved, tiny_bundle

DIMS = {"audio": (16, 384, 120), "image": (64, 768, 576)}
"""Of the tiny encoder and of the plain features."""


@pytest.fixture(scope="module", params=WINGS)
def wing(request):
    return request.param


@pytest.fixture(scope="module")
def bundle(wing):
    return tiny_bundle(wing)


@pytest.fixture(scope="module")
def labelled(wing, tmp_path_factory):
    return load_items(made_set(wing, tmp_path_factory.mktemp("labelled")))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def weights(bundle):
    return {name: value.clone() for name, value in bundle.encoder.state_dict().items()}


def test_the_whole_table_from_a_bundle_file(wing, bundle, labelled, tmp_path):
    path = saved(bundle, tmp_path / "model.safetensors")
    before = path.read_bytes()
    report = evaluate(path, labelled, protocols=["knn@1", "lr_nested@1"], seeds=[0, 1], out=tmp_path / "out")
    assert path.read_bytes() == before
    assert [(row.kind, row.seed) for row in report.rows] == [
        ("pretrained", None), ("untrained", 0), ("untrained", 1),
        ("statistics", None), ("statistics", None),
    ]  # fmt: skip
    own, *plain = DIMS[wing]
    assert [row.dim for row in report.rows] == [own, own, own, *plain]
    assert {(gain.model, gain.protocol) for gain in report.gains} == {(0, "knn@1"), (0, "lr_nested@1")}
    assert report.models[0].about["training"] == {"steps": 3}
    assert json.loads((tmp_path / "out" / "report.json").read_text())["data"]["n"] == 48
    assert (tmp_path / "out" / "report.html").stat().st_size > 1_000_000


def test_the_encoder_is_untouched_and_a_twin_scores_as_itself(bundle, labelled):
    before = weights(bundle)
    report = evaluate(bundle, labelled, protocols=["knn@1"], seeds=[5], cache=False)
    assert all((before[name] == value).all() for name, value in weights(bundle).items())
    assert report.gains[0].gain == 0
    assert report.gains[0].interval == (0, 0)


def test_baselines_are_measured_once_and_again_when_anything_changes(bundle, labelled, cache, monkeypatch):
    first = evaluate(bundle, labelled, protocols=["knn@1"], seeds=[0])
    monkeypatch.setattr(source, "clip_features", None)  # would fail if called
    assert evaluate(bundle, labelled, protocols=["knn@1"], seeds=[0]).rows == first.rows
    with pytest.raises(TypeError):
        evaluate(bundle, labelled, protocols=["knn@1"], seeds=[1])
    with pytest.raises(TypeError):
        evaluate(bundle, labelled, protocols=["knn@1"], seeds=[0], cache=False)
    with pytest.raises(TypeError):
        evaluate(bundle, labelled.take(range(40)), protocols=["knn@1"], seeds=[0])
    for kept in (cache / "evaluation").iterdir():
        kept.write_text(kept.read_text()[:-20])  # a cut file is no answer
    with pytest.raises(TypeError):
        evaluate(bundle, labelled, protocols=["knn@1"], seeds=[0])


def test_broken_files_are_refused_and_on_demand_left_out_and_listed(wing, bundle, tmp_path):
    table = made_set(wing, tmp_path / "labelled")
    broken = load_items(table).paths()[3]
    cut_file(wing, broken)
    with pytest.raises(DataError, match=r"1 of 48 items cannot be embedded.*--skip-failed") as raised:
        evaluate(bundle, table, protocols=["knn@1"])
    assert broken.name in str(raised.value)
    report = evaluate(bundle, table, protocols=["knn@1"], skip_failed=True, seeds=[0])
    assert report.data.n == 47
    assert len(report.data.failed) == 1
    assert all(row.scores["knn@1"].n == 47 for row in report.rows)


def test_two_models_of_one_architecture_share_their_twins(wing, bundle, labelled):
    other = tiny_bundle(wing, seed=6)
    report = evaluate([bundle, other], labelled, protocols=["knn@1"], seeds=[0])
    assert [row.models for row in report.rows] == [[0], [1], [0, 1], [], []]
    assert [gain.model for gain in report.gains] == [0, 1]


def test_faults_are_met_before_any_embedding(bundle, labelled, monkeypatch):
    monkeypatch.setattr("audiossl.evaluation.evaluate.readable_features", None)
    for fault, kind, arguments in (
        ("no model", UsageError, ([], labelled)),
        ("have no labels", DataError, (bundle, items_of([None, None]))),
    ):
        with pytest.raises(kind, match=fault):
            evaluate(*arguments)
    with pytest.raises(UsageError, match="did you mean knn@1"):
        evaluate(bundle, labelled, protocols=["knn@7"])
    with pytest.raises(UsageError, match="name each once"):
        evaluate(bundle, labelled, protocols=["knn@1", "knn@1"])
    with pytest.raises(UsageError, match="unknown key; did you mean seeds"):
        evaluate(bundle, labelled, seed=[1])


@pytest.mark.shared
@pytest.mark.slow
def test_plain_statistics_reach_their_floors_on_esc10(shared):
    """The reference table; 400 files to decode."""
    from audiossl.evaluation.probes import run
    from audiossl.evaluation.protocol import load_protocol

    items = load_items("esc10", Path(shared / "data" / "esc10-44k"))
    found = baselines.plain_features(AUDIO, items, Silent())
    for name, floor in (("logmel", 84.75), ("mfcc", 82.5)):
        score = run(load_protocol("lr_nested@1"), found[name], items)
        assert 100 * score.value == pytest.approx(floor, abs=0.5), name
