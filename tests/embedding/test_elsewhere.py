"""Embeddings of sounds at URLs, and folders of embeddings at URLs."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import soundfile as sf

from audiossl.api import embed
from audiossl.embedding.export import export
from audiossl.embedding.hit_files import save_hits
from audiossl.embedding.near_duplicates import duplicates
from audiossl.embedding.search import search
from audiossl.embedding.store import KINDS, open_store
from audiossl.embedding.view import Embeddings
from audiossl.errors import DataError, UsageError
from audiossl_cli.app import run
from tests.embedding.conftest import RATE, chirp
from tests.places.conftest import memory, web  # noqa: F401 - fixtures


def wav(seconds: float, hz: float = 200.0) -> bytes:
    file = io.BytesIO()
    sf.write(file, chirp(seconds, hz), RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()


def failures(path) -> dict[str, str]:
    text = path.read_bytes().decode()
    return {row["path"]: row["cause"] for row in csv.DictReader(io.StringIO(text))}


def test_sounds_of_the_web_and_of_memory_give_the_rows_of_the_same_files_here(bundle, web, memory, tmp_path):  # noqa: F811
    for name, hz in {"a": 200, "b": 250}.items():
        (tmp_path / f"{name}.wav").write_bytes(wav(1.5, hz))
        web.files[f"/x/{name}.wav"] = (tmp_path / f"{name}.wav").read_bytes()
        memory.pipe(f"/x/{name}.wav", web.files[f"/x/{name}.wav"])
    embed(bundle, str(tmp_path / "*.wav"), tmp_path / "here", window_s=0.5)
    embed(bundle, [f"{web.url}/x/{name}.wav?key=SECRET" for name in "ab"], tmp_path / "web", window_s=0.5)
    embed(bundle, "memory://x", tmp_path / "memory", window_s=0.5)
    here, *others = (open_store(tmp_path / name) for name in ("here", "web", "memory"))
    for store, start in zip(others, (f"{web.url}/x", "memory://x"), strict=True):
        assert store.clips()["path"].to_pylist() == [f"{start}/a.wav", f"{start}/b.wav"]
        for kind in KINDS:
            assert np.array_equal(store.embeddings(kind), here.embeddings(kind))
        assert store.clips().drop(["path", "mtime_ns"]) == here.clips().drop(["path", "mtime_ns"])
    for path in (tmp_path / "web").iterdir():
        assert b"SECRET" not in path.read_bytes()
    assert embed(bundle, f"{web.url}/x/a.wav?key=OTHER", tmp_path / "web", window_s=0.5).skipped == 1


def test_what_changed_elsewhere_is_done_again_and_what_cannot_be_asked_for_stays(bundle, memory, tmp_path, monkeypatch):  # noqa: F811
    for name in "abc":
        memory.pipe(f"/x/{name}.wav", wav(0.5))
    out = tmp_path / "out"
    embed(bundle, "memory://x", out)
    assert embed(bundle, "memory://x", out).skipped == 3
    memory.pipe("/x/b.wav", wav(0.7))
    assert embed(bundle, "memory://x", out).embedded == 1
    monkeypatch.setattr("audiossl.embedding.asked.states", lambda urls: {})
    assert embed(bundle, "memory://x", out).skipped == 3 and open_store(out).count("clips") == 3


def test_every_fault_elsewhere_is_one_line_of_failures_without_secrets(model, web, tmp_path, capsys):  # noqa: F811
    web.files["/fine.wav"], web.files["/cut.wav"], web.files["/text.wav"] = wav(0.5), wav(0.5), b"no sound"
    web.cut.add("/cut.wav")
    names = ["fine", "cut", "text", "gone"]
    user = web.url.replace("//", "//me:SECRET@")
    urls = [f"{user}/{name}.wav?X-Amz-Signature=SECRET" for name in names]
    out = tmp_path / "out"
    assert run(["embed", str(model), *urls, "--out", str(out)]) == 4
    causes = failures(out / "failures.csv")
    assert {path.rpartition("/")[2]: cause for path, cause in causes.items()} == {
        "cut.wav": "is cut (the connection ended before the whole file was there)",
        "text.wav": "is not a sound file of a known format (wav, flac, ogg, opus, mp3, aiff, au, caf)",
        "gone.wav": "does not exist",
    }
    assert not any("SECRET" in text for text in (*capsys.readouterr(), (out / "failures.csv").read_text()))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s4://SECRET:SECRET@b/a.wav", "s4:// is no protocol that fsspec knows"),
        ("memory://x/table.csv", "are read from local files only"),
        ("memory://nothing-here/", "nothing-here: does not exist"),
    ],
)
def test_urls_that_cannot_be_used_stop_the_command_with_one_sentence(model, memory, tmp_path, capsys, url, told):  # noqa: F811
    assert run(["embed", str(model), url, "--out", str(tmp_path / "out")]) in (2, 3)
    said = capsys.readouterr().err
    assert told in said and "SECRET" not in said and not (tmp_path / "out").exists()


def test_two_addresses_that_differ_in_their_secrets_only_are_refused(bundle, web, tmp_path):  # noqa: F811
    with pytest.raises(UsageError, match=r"/get: is given with two queries"):
        embed(bundle, [f"{web.url}/get?id=1", f"{web.url}/get?id=2"], tmp_path / "out")


def test_a_folder_of_embeddings_at_a_url_is_the_one_here(bundle, memory, sounds, tmp_path):  # noqa: F811
    folder, bad = sounds(1.0, 0.3, 2.5), "bad.wav"
    (folder / bad).write_bytes(b"no sound")
    here = embed(bundle, folder, tmp_path / "here", window_s=0.5)
    there = embed(bundle, folder, "memory://bucket/deep/store", window_s=0.5, shard_items=1)
    assert (there.embedded, there.failed, str(there.out)) == (here.embedded, here.failed, "memory://bucket/deep/store")
    one, other = open_store(tmp_path / "here"), open_store("memory://bucket/deep/store")
    for kind in KINDS:
        assert one.table(kind) == other.table(kind)
    assert failures(there.failures) == failures(here.failures)
    again = embed(bundle, folder, "memory://bucket/deep/store", window_s=0.5)
    assert (again.embedded, again.skipped, again.failed) == (0, 3, 1)
    with pytest.raises(UsageError, match=r"memory://bucket/deep/store holds embeddings made otherwise \(hop_s"):
        embed(bundle, folder, "memory://bucket/deep/store", window_s=0.5, hop_s=0.25)
    memory.pipe("/bucket/deep/store/clips-00001.parquet", b"cut")
    with pytest.raises(DataError, match="is gone or damaged"):
        other.table("clips")
    assert embed(bundle, folder, "memory://bucket/deep/store", window_s=0.5).embedded == 1
    assert open_store("memory://bucket/deep/store").table("windows") == one.table("windows")
    assert sum(name.startswith("clips-") for name in other.folder.names()) == 3


def test_everything_that_reads_embeddings_reads_those_at_a_url(bundle, model, memory, sounds, tmp_path, capsys):  # noqa: F811
    memory.pipe("/in/a.wav", wav(1.0, 300))
    memory.pipe("/in/b.wav", wav(1.0, 300))
    embed(model, ["memory://in", str(sounds(1.0))], "memory://out", window_s=0.5)
    found = search("memory://out", "memory://in/a.wav", k=2, kind="clips")
    assert found[0].hits[0].path == "memory://in/b.wav"
    memory.pipe("/else/c.wav", wav(1.0, 300))
    (outside,) = search("memory://out", "memory://else/c.wav@0.2", k=1)
    assert outside.hits[0].similarity > 0.999
    saved = save_hits("memory://out", found, tmp_path / "hits")
    assert saved.paths and not saved.failures
    memory.rm("/in/b.wav")
    assert save_hits("memory://out", found, tmp_path / "hits").failures == ["memory://in/b.wav: does not exist"]
    assert len(duplicates("memory://out", threshold=0.9999).groups) == 1
    assert export("memory://out", tmp_path / "out.npz", to="npz").rows == 3
    view = Embeddings(open_store("memory://out"))
    assert view.numpy().shape == (3, 32) and len(view.where(path="memory://in/a.wav")) == 1
    with pytest.raises(UsageError, match="memory://out is a URL; copy the folder"):
        view.mapped()
    assert run(["embeddings", "show", "memory://out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 3
    with pytest.raises(DataError, match="memory://nowhere: holds no embeddings"):
        open_store("memory://nowhere")
