from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiossl.audio.synth import make_sounds
from audiossl.bundle.bundle import Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.manifest import load_items
from audiossl.errors import DataError, UsageError
from audiossl.evaluation import baselines
from audiossl.evaluation.evaluate import evaluate
from audiossl.evaluation.features import source
from audiossl.progress import Silent
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.schema import Recipe
from tests.evaluation.made import items_of


@pytest.fixture(scope="module")
def bundle():
    return untrained_bundle(Recipe(encoder=AudioNtt2020Config(dim=16)), Statistics(-8.0, 4.0, 10), seed=5)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return load_items(make_sounds(tmp_path_factory.mktemp("sounds"), 48, seed=0))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def weights(bundle):
    return {name: value.clone() for name, value in bundle.encoder.state_dict().items()}


def test_the_whole_table_from_a_bundle_file(bundle, sounds, tmp_path):
    path = tmp_path / "model.safetensors"
    save_bundle(
        path, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics, training={"steps": 3}, data={}
    )
    before = path.read_bytes()
    report = evaluate(path, sounds, protocols=["knn@1", "lr_nested@1"], seeds=[0, 1], out=tmp_path / "out")
    assert path.read_bytes() == before
    assert [(row.kind, row.seed) for row in report.rows] == [
        ("pretrained", None), ("untrained", 0), ("untrained", 1),
        ("statistics", None), ("statistics", None),
    ]  # fmt: skip
    assert [row.dim for row in report.rows] == [16, 16, 16, 384, 120]
    assert {(gain.model, gain.protocol) for gain in report.gains} == {(0, "knn@1"), (0, "lr_nested@1")}
    assert report.models[0].about["training"] == {"steps": 3}
    assert json.loads((tmp_path / "out" / "report.json").read_text())["data"]["n"] == 48
    assert (tmp_path / "out" / "report.html").stat().st_size > 1_000_000


def test_the_encoder_is_untouched_and_a_twin_scores_as_itself(bundle, sounds):
    before = weights(bundle)
    report = evaluate(bundle, sounds, protocols=["knn@1"], seeds=[5], cache=False)
    assert all((before[name] == value).all() for name, value in weights(bundle).items())
    assert report.gains[0].gain == 0
    assert report.gains[0].interval == (0, 0)


def test_baselines_are_measured_once_and_again_when_anything_changes(bundle, sounds, cache, monkeypatch):
    first = evaluate(bundle, sounds, protocols=["knn@1"], seeds=[0])
    monkeypatch.setattr(source, "clip_features", None)  # would fail if called
    assert evaluate(bundle, sounds, protocols=["knn@1"], seeds=[0]).rows == first.rows
    with pytest.raises(TypeError):
        evaluate(bundle, sounds, protocols=["knn@1"], seeds=[1])
    with pytest.raises(TypeError):
        evaluate(bundle, sounds, protocols=["knn@1"], seeds=[0], cache=False)
    with pytest.raises(TypeError):
        evaluate(bundle, sounds.take(range(40)), protocols=["knn@1"], seeds=[0])
    for kept in (cache / "evaluation").iterdir():
        kept.write_text(kept.read_text()[:-20])  # a cut file is no answer
    with pytest.raises(TypeError):
        evaluate(bundle, sounds, protocols=["knn@1"], seeds=[0])


def test_broken_files_are_refused_and_on_demand_left_out_and_listed(bundle, tmp_path):
    folder = tmp_path / "sounds"
    table = make_sounds(folder, 48, seed=0)
    broken = load_items(table).paths()[3]
    broken.write_bytes(b"RIFF, but not much more")
    with pytest.raises(DataError, match=r"1 of 48 items cannot be embedded.*--skip-failed") as raised:
        evaluate(bundle, table, protocols=["knn@1"])
    assert broken.name in str(raised.value)
    report = evaluate(bundle, table, protocols=["knn@1"], skip_failed=True, seeds=[0])
    assert report.data.n == 47
    assert len(report.data.failed) == 1
    assert all(row.scores["knn@1"].n == 47 for row in report.rows)


def test_two_models_of_one_architecture_share_their_twins(bundle, sounds):
    other = untrained_bundle(bundle.recipe, bundle.statistics, seed=6)
    report = evaluate([bundle, other], sounds, protocols=["knn@1"], seeds=[0])
    assert [row.models for row in report.rows] == [[0], [1], [0, 1], [], []]
    assert [gain.model for gain in report.gains] == [0, 1]


def test_faults_are_met_before_any_embedding(bundle, sounds, monkeypatch):
    monkeypatch.setattr("audiossl.evaluation.evaluate.readable_features", None)
    for fault, kind, arguments in (
        ("no model", UsageError, ([], sounds)),
        ("have no labels", DataError, (bundle, items_of([None, None]))),
    ):
        with pytest.raises(kind, match=fault):
            evaluate(*arguments)
    with pytest.raises(UsageError, match="did you mean knn@1"):
        evaluate(bundle, sounds, protocols=["knn@7"])
    with pytest.raises(UsageError, match="name each once"):
        evaluate(bundle, sounds, protocols=["knn@1", "knn@1"])
    with pytest.raises(UsageError, match="unknown key; did you mean seeds"):
        evaluate(bundle, sounds, seed=[1])


@pytest.mark.shared
@pytest.mark.slow
def test_plain_statistics_reach_their_floors_on_esc10(shared):
    """The reference table; 400 files to decode."""
    from audiossl.evaluation.probes import run
    from audiossl.evaluation.protocol import load_protocol

    items = load_items("esc10", Path(shared / "data" / "esc10-44k"))
    found = baselines.plain_statistics(items, Silent())
    for name, floor in (("log-mel statistics", 84.75), ("MFCC statistics", 82.5)):
        score = run(load_protocol("lr_nested@1"), found[name], items)
        assert 100 * score.value == pytest.approx(floor, abs=0.5), name
