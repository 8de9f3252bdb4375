"""The folder of embeddings: what is in it, that it continues, and that it is never mixed."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf
from filelock import FileLock

from audiossl.api import embed
from audiossl.bundle.bundle import Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.embedding.extract import embed_items
from audiossl.embedding.inputs import gather
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.store import KINDS, Store, open_store
from audiossl.errors import DataError, UsageError, WriteError
from audiossl.modality import AUDIO
from tests.embedding.conftest import RATE, chirp

LENGTHS = (1.0, 0.3, 2.5, 1.0, 1.7)


def rows(store: Store) -> dict[str, list[dict]]:
    """Everything but when it was made."""
    return {kind: store.table(kind).to_pylist() for kind in KINDS}


def names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()}


def test_clips_windows_and_embeddings_say_the_same_as_the_bundle(bundle, sounds, tmp_path):
    folder = sounds(*LENGTHS)
    report = embed(bundle, folder, tmp_path / "out", window_s=0.5, hop_s=0.25)
    store = open_store(tmp_path / "out")
    clips, windows = store.clips(), store.table("windows")
    assert (report.items, report.embedded, report.failed, report.windows) == (5, 5, 0, windows.num_rows)
    assert clips.column("path").to_pylist() == [str(folder / f"{name}.wav") for name in "abcde"]
    assert clips.column("id").to_pylist() == [f"{name}.wav" for name in "abcde"]
    assert clips.column("duration_s").to_pylist() == list(LENGTHS)
    assert clips.column("windows").to_pylist() == [3, 1, 9, 3, 5]
    assert windows.schema.field("embedding").type.list_size == store.embedding_dim == 32
    embeddings = store.embeddings("windows")
    assert embeddings.dtype == np.float32 and embeddings.shape == (21, 32)
    for row, (path, start_s) in enumerate(
        zip(windows.column("path").to_pylist(), windows.column("start_s").to_pylist(), strict=True)
    ):
        sound, _ = sf.read(path, dtype="float32")
        window = np.resize(sound, RATE // 2) if len(sound) < RATE // 2 else sound[round(start_s * RATE) :][: RATE // 2]
        assert np.allclose(embeddings[row], bundle.embed(window, RATE), atol=1e-6)
    assert np.allclose(store.embeddings()[2], embeddings[4:13].mean(axis=0), atol=1e-6)
    assert store.about["model"]["sha256"] == bundle.sha256 and store.about["parameters"]["window_s"] == 0.5


def test_labels_folds_and_parts_of_files_are_carried_through(bundle, sounds, tmp_path):
    folder = sounds(2.0)
    (folder / "table.csv").write_text("path,start_s,end_s,label,fold\na.wav,0,1,dog,1\na.wav,1,2,cat,2\n")
    embed(bundle, folder / "table.csv", tmp_path / "out")
    clips = open_store(tmp_path / "out").clips().select(["item_start_s", "item_end_s", "labels", "fold"]).to_pylist()
    assert clips == [
        {"item_start_s": 0.0, "item_end_s": 1.0, "labels": ["dog"], "fold": 1},
        {"item_start_s": 1.0, "item_end_s": 2.0, "labels": ["cat"], "fold": 2},
    ]


def test_the_same_call_again_does_nothing_and_new_files_are_added(bundle, sounds, tmp_path):
    folder, out = sounds(*LENGTHS), tmp_path / "out"
    embed(bundle, folder, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    again = embed(bundle, folder, out)
    assert (again.embedded, again.skipped) == (0, 5)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")} == before
    sf.write(folder / "new.wav", chirp(1.0, 900), RATE)
    more = embed(bundle, folder, out)
    assert (more.embedded, more.skipped) == (1, 5) and open_store(out).clips().num_rows == 6


def test_an_edited_file_is_done_again_and_the_others_are_kept(bundle, sounds, tmp_path):
    folder, out = sounds(*LENGTHS), tmp_path / "out"
    embed(bundle, folder, out, window_s=0.5)
    old = open_store(out)
    kept = [row for row in rows(old)["windows"] if row["id"] != "c.wav"]
    sf.write(folder / "c.wav", chirp(1.2, 777), RATE)
    report = embed(bundle, folder, out, window_s=0.5)
    assert (report.embedded, report.skipped) == (1, 4)
    new = rows(open_store(out))
    assert [row for row in new["windows"] if row["id"] != "c.wav"] == kept
    assert [row["start_s"] for row in new["windows"] if row["id"] == "c.wav"] == [0.0, 0.5]
    assert len(new["clips"]) == 5


def test_a_changed_label_is_noticed(bundle, sounds, tmp_path):
    folder, out = sounds(1.0), tmp_path / "out"
    for label in ("dog", "cat"):
        (folder / "table.csv").write_text(f"path,label\na.wav,{label}\n")
        embed(bundle, folder / "table.csv", out)
    assert open_store(out).clips().column("labels").to_pylist() == [["cat"]]


def test_other_parameters_or_another_model_are_refused_with_the_difference(bundle, sounds, tmp_path):
    folder, out = sounds(1.0), tmp_path / "out"
    embed(bundle, folder, out, window_s=0.5)
    with pytest.raises(UsageError, match=r"window_s: 0.5 there, 0.25 here"):
        embed(bundle, folder, out, window_s=0.25)
    with pytest.raises(UsageError, match=r"nonfinite: error there, zero here"):
        embed(bundle, folder, out, window_s=0.5, nonfinite="zero")
    other = untrained_bundle(bundle.recipe, Statistics(mean=-7.0, std=4.0, items=3), seed=2)
    with pytest.raises(UsageError, match=f"model: {bundle.sha256} there, {other.sha256} here"):
        embed(other, folder, out, window_s=0.5)
    assert embed(bundle, folder, out, window_s=0.5, workers=1, batch_s=1.0).skipped == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "delete"])
def test_a_damaged_shard_is_noticed_and_only_its_files_are_done_again(bundle, sounds, tmp_path, damage):
    folder, out = sounds(*LENGTHS), tmp_path / "out"
    embed(bundle, folder, out, shard_items=2, workers=1)
    wanted = rows(open_store(out))
    shard = out / "windows-00001.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content) if damage == "flip" else bytes(content[:-7]))
    if damage == "delete":
        shard.unlink()
    if damage != "flip":
        with pytest.raises(DataError, match=r"windows-00001\.parquet: is gone or damaged"):
            open_store(out).table("windows")
    report = embed(bundle, folder, out, shard_items=2, workers=1)
    assert (report.embedded, report.skipped) == (2, 3)
    assert rows(open_store(out)) == wanted


def test_what_a_killed_run_left_is_cleared_away(bundle, sounds, tmp_path):
    folder, out = sounds(*LENGTHS), tmp_path / "out"
    embed(bundle, folder, out)
    wanted = rows(open_store(out))
    shutil.copy(out / "clips-00000.parquet", out / "clips-00001.parquet")
    (out / ".windows-00001.parquet.1-abc.part").write_bytes(b"half")
    assert rows(open_store(out)) == wanted
    embed(bundle, folder, out)
    parquet = {"clips-00000.parquet", "windows-00000.parquet"}
    assert names(out) == {"index.json", "failures.csv", "lock", *parquet}


def test_how_it_was_cut_into_shards_and_by_how_many_workers_leaves_no_trace(bundle, sounds, tmp_path):
    folder = sounds(*LENGTHS)
    embed(bundle, folder, tmp_path / "one", workers=1)
    embed(bundle, folder, tmp_path / "two", workers=3, shard_items=1)
    assert len(list((tmp_path / "two").glob("clips-*"))) == 5
    assert rows(open_store(tmp_path / "one")) == rows(open_store(tmp_path / "two"))


def test_a_failed_file_is_listed_skipped_and_tried_again_when_asked_or_changed(bundle, sounds, tmp_path):
    folder, out = sounds(1.0), tmp_path / "out"
    bad = folder / "bad.wav"
    bad.write_bytes(b"no sound")
    for retry, failed in [(False, 1), (False, 1), (True, 1)]:
        report = embed(bundle, folder, out, retry_failed=retry)
        assert report.failed == failed and report.items == 2
    with report.failures.open() as file:
        (row,) = csv.DictReader(file)
    assert row["path"] == str(bad) and "not a sound file" in row["cause"]
    sf.write(bad, chirp(1.0), RATE)
    mended = embed(bundle, folder, out)
    assert (mended.embedded, mended.failed) == (1, 0)
    assert report.failures.read_text().count("\n") == 1


def test_names_of_all_kinds_come_back_exactly(bundle, sounds, tmp_path):
    folder = sounds()
    odd = ["new\nline.wav", "🐸 frog.wav", "-dash.wav", "<script>alert(1)</script>.wav".replace("/", "_"), 'é,"q".wav']
    for name in [*odd, "x" * 246 + ".wav"]:
        sf.write(folder / name, chirp(0.2), RATE)
    bad = 'bad\n"one".wav'
    (folder / bad).write_bytes(b"x")
    report = embed(bundle, folder, tmp_path / "out")
    assert {*odd, "x" * 246 + ".wav"} == set(open_store(tmp_path / "out").clips().column("id").to_pylist())
    with report.failures.open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [str(folder / bad)]
    assert embed(bundle, folder, tmp_path / "out").embedded == 0


def test_a_second_run_in_the_same_folder_is_refused(bundle, sounds, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / "lock"), pytest.raises(UsageError, match="another run"):
        embed(bundle, sounds(1.0), out)


def test_an_interrupted_call_keeps_what_it_has(bundle, sounds, tmp_path):
    class Impatient:
        def start(self, *_: object, **__: object) -> None: ...
        def close(self) -> None: ...
        def advance(self, *_: object, **__: object) -> None:
            raise KeyboardInterrupt

    items, out = gather([sounds(*LENGTHS)], AUDIO), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        embed_items(bundle, items, out, EmbedOptions(workers=1), progress=Impatient())
    assert open_store(out).clips().num_rows == 1
    assert embed_items(bundle, items, out).embedded == 4


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 1, "shards": [{}]}'])
def test_a_damaged_index_is_a_data_error(bundle, sounds, tmp_path, content):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(DataError, match=r"index\.json: is damaged"):
        open_store(tmp_path)
    with pytest.raises(DataError, match=r"index\.json: is damaged"):
        embed(bundle, sounds(1.0), tmp_path)


def test_a_store_of_a_newer_audiossl_and_no_store_at_all(tmp_path):
    with pytest.raises(DataError, match="holds no embeddings"):
        open_store(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"format": 9, "audiossl": "7.0", "shards": []}))
    with pytest.raises(DataError, match=r"audiossl 7\.0; install"):
        open_store(tmp_path)


def test_a_store_from_before_pictures_is_read_and_goes_on(bundle, sounds, tmp_path):
    embed(bundle, sounds(1.0, 2.0), tmp_path / "out")
    wanted = rows(open_store(tmp_path / "out"))
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    del index["columns"], index["model"]["modality"]
    (tmp_path / "out" / "index.json").write_text(json.dumps(index))
    old = open_store(tmp_path / "out")
    assert rows(old) == wanted and old.modality is AUDIO
    assert embed(bundle, tmp_path / "sounds", tmp_path / "out").skipped == 2


def test_parquet_is_readable_on_its_own(bundle, sounds, tmp_path):
    embed(bundle, sounds(*LENGTHS), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "clips-00000.parquet")
    assert table.num_rows == 5 and not table.column("embedding").null_count


@pytest.mark.parametrize("options", [{"window_s": 0}, {"precision": "16"}, {"wrokers": 2}, {"workers": 0}])
def test_impossible_options_are_usage_errors(bundle, sounds, tmp_path, options):
    with pytest.raises(UsageError, match=next(iter(options))):
        embed(bundle, sounds(1.0), tmp_path / "out", **options)


def test_inputs_of_every_kind_are_gathered_once_each(sounds, tmp_path, monkeypatch):
    folder = sounds(1.0, 1.0)
    monkeypatch.chdir(tmp_path)
    paths = gather(["sounds", "sounds/a.wav", "sounds/*.wav", str(folder / "b.wav"), "gone.wav"], AUDIO).column("path")
    assert paths == [str(folder / "a.wav"), str(folder / "b.wav"), str(tmp_path / "gone.wav")]
    with pytest.raises(UsageError, match="nothing matches"):
        gather(["sounds/*.flac"], AUDIO)
    with pytest.raises(UsageError, match="at least one"):
        gather([], AUDIO)
    with pytest.raises(DataError):
        gather(["no_such_data_set"], AUDIO)


def test_when_everything_fails_the_store_is_empty_but_whole(bundle, sounds, tmp_path):
    folder = sounds()
    (folder / "bad.wav").write_bytes(b"no sound")
    report = embed(bundle, folder, tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert (report.embedded, report.failed) == (0, 1)
    for kind in KINDS:
        assert store.embeddings(kind).shape == (0, 32) and store.table(kind).num_rows == 0


def test_a_full_disk_keeps_the_finished_shards_and_leaves_no_scrap(bundle, sounds, tmp_path, monkeypatch):
    folder, out = sounds(*LENGTHS), tmp_path / "out"
    real, usage = shutil.disk_usage, shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        "audiossl.files.shutil.disk_usage",
        lambda path: usage._replace(free=0) if len(list(out.glob("windows-*"))) == 2 else real(path),
    )
    with pytest.raises(WriteError, match="disk is full"):
        embed(bundle, folder, out, shard_items=1, workers=1)
    assert not list(out.glob(".*.part")) and open_store(out).clips().num_rows in (1, 2)
    monkeypatch.undo()
    embed(bundle, folder, out)
    embed(bundle, folder, tmp_path / "whole")
    assert rows(open_store(out)) == rows(open_store(tmp_path / "whole"))
