"""`logmel` and `mfcc` in the place of a model: embedded, shown, searched and exported like an encoder's rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile as sf

import audiossl
from audiossl.audio.statistics import PLAIN, RATE, SETTINGS, six_statistics, spectrogram
from audiossl.bundle.baseline import Baseline, load_model
from audiossl.data.manifest import load_items
from audiossl.embedding.extractor import make_extractor
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.store import open_store
from audiossl.errors import UsageError
from audiossl.evaluation.baselines import plain_features
from audiossl.modality import AUDIO
from audiossl.progress import Silent
from audiossl_cli.app import run
from tests.embedding.conftest import chirp

DIMS = {"logmel": 64, "mfcc": 20}


@pytest.mark.parametrize("name", [plain.name for plain in PLAIN])
def test_a_whole_file_is_embedded_as_the_evaluations_baseline(sounds, tmp_path, name):
    folder = sounds(1.0, 0.02, 2.5)
    report = audiossl.embed(name, folder, tmp_path / "out")
    assert (report.embedded, report.failed) == (3, 0)
    wanted = plain_features(AUDIO, load_items(str(folder)), Silent())[name]
    found = audiossl.embeddings.open(tmp_path / "out").numpy()
    assert found.shape == (3, 6 * DIMS[name])
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("pool", ["mean", "mean+std", "mean+max", "none"])
def test_windows_and_pooling_are_those_of_a_model(tmp_path, pool):
    sound = chirp(1.2, rate=RATE)
    sf.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    audiossl.embed("logmel", tmp_path / "a.wav", tmp_path / "out", window_s=0.5, hop_s=0.6, pool=pool)
    view = audiossl.embeddings.open(tmp_path / "out", "windows")
    parts = [sound[round(0.6 * i * RATE) :][: round(0.5 * RATE)] for i in range(2)]
    rows = []
    for bands in (spectrogram(part, **SETTINGS["logmel"]).astype(float) for part in parts):
        pooled = {
            "mean": [bands.mean(1)],
            "mean+std": [np.concatenate([bands.mean(1), bands.std(1)])],
            "mean+max": [np.concatenate([bands.mean(1), bands.max(1)])],
            "none": list(bands.T),
        }
        rows += pooled[pool]
    assert np.allclose(view.numpy(), rows, atol=1e-2)
    assert view.table(["start_s"])["start_s"].to_pylist()[0] == 0.0 and len(view) == len(rows)


def test_six_statistics_of_windows(tmp_path):
    sound = chirp(1.2, rate=RATE)
    sf.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    audiossl.embed("mfcc", tmp_path / "a.wav", tmp_path / "out", window_s=0.5)
    wanted = [six_statistics(spectrogram(sound[at : at + RATE // 2], **SETTINGS["mfcc"])) for at in (0, RATE // 2)]
    assert np.allclose(audiossl.embeddings.open(tmp_path / "out", "windows").numpy(), wanted, atol=1e-2)


@pytest.mark.parametrize("told", [{"layer": "block1"}, {"precision": "bf16"}, {"device": "cuda"}])
def test_what_only_a_network_has_is_refused(told):
    (name,) = told
    with pytest.raises(UsageError, match=f"logmel is no network: .* leave --{name} {told[name]} out"):
        make_extractor(Baseline("logmel"), EmbedOptions(**told))


def test_its_identity_is_its_settings_and_librosas_version(monkeypatch):
    before = Baseline("logmel").sha256
    assert before == Baseline("logmel").sha256 != Baseline("mfcc").sha256
    monkeypatch.setattr("audiossl.bundle.baseline.version", lambda name: "99.0")
    changed = Baseline("logmel").sha256
    assert changed != before
    monkeypatch.undo()
    monkeypatch.setitem(SETTINGS["logmel"], "hop_length", 256)
    assert Baseline("logmel").sha256 not in (before, changed)


def test_another_baseline_or_model_in_the_same_folder_is_refused(model, sounds, tmp_path):
    audiossl.embed("logmel", sounds(1.0), tmp_path / "out")
    for other in ("mfcc", model):
        with pytest.raises(UsageError, match="made otherwise"):
            audiossl.embed(other, sounds(1.0), tmp_path / "out")


def test_show_search_duplicates_and_export_work_on_such_a_store(sounds, tmp_path, capsys):
    folder, out = sounds(1.0, 1.5, 2.0), tmp_path / "out"
    (folder / "copy.wav").write_bytes((folder / "a.wav").read_bytes())
    sf.write(tmp_path / "outside.wav", chirp(1.5, 250), 16_000, subtype="FLOAT")
    assert run(["embed", "logmel", str(folder), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["embedded"] == 4
    assert run(["embeddings", "show", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "logmel" in shown and "384" in shown and "librosa" in shown
    assert run(["search", str(out), str(tmp_path / "outside.wav"), "--kind", "clips", "--json"]) == 0
    best = json.loads(capsys.readouterr().out)[0]["hits"][0]
    assert best["path"].endswith("b.wav") and best["similarity"] == pytest.approx(1.0, abs=1e-6)
    assert run(["search", str(out), "--duplicates", "--threshold", "0.999999"]) == 0
    assert "1 groups of 2" in capsys.readouterr().err
    assert run(["embeddings", "export", str(out), "--to", "npy", "--out", str(tmp_path / "e.npy")]) == 0
    assert np.load(tmp_path / "e.npy").shape == (4, 384)


def test_a_baselines_name_is_no_path_unless_written_as_one(bundle, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logmel").write_bytes(model.read_bytes())
    assert load_model("logmel") == Baseline("logmel")
    assert load_model("./logmel").sha256 == load_model(model).sha256


def test_the_store_says_which_version_of_librosa_made_it(sounds, tmp_path):
    audiossl.embed("mfcc", sounds(1.0), tmp_path / "out")
    about = open_store(tmp_path / "out").about
    assert about["parameters"]["librosa"] == Baseline("mfcc").versions["librosa"]
    assert about["model"]["encoder"]["name"] == "mfcc"
