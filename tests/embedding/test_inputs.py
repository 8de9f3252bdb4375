"""What may be named on the command line, and lists on standard input."""

from __future__ import annotations

import io
import os
import sys

import numpy as np
import pytest

from audiossl.api import embed
from audiossl.embedding.inputs import gather, listed
from audiossl.embedding.store import open_store
from audiossl.errors import DataError, UsageError
from audiossl.modality import AUDIO, IMAGE
from audiossl_cli.app import run
from tests.embedding.conftest import RATE, chirp


@pytest.fixture
def stdin(monkeypatch):
    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"a.wav\nb c.wav\n\n  d*.wav", ["a.wav", "b c.wav", "  d*.wav"]),
        (b"a.wav\r\nb.wav\r\n", ["a.wav", "b.wav"]),
        (b"a.wav\0new\nline.wav\0\0", ["a.wav", "new\nline.wav"]),
        (b"a.wav\0b.wav\r", ["a.wav", "b.wav\r"]),
        (b"caf\xe9.wav\n", [os.fsdecode(b"caf\xe9.wav")]),
        (b"", []),
        (b"\n\n", []),
    ],
)
def test_a_list_has_a_name_per_line_or_nuls_between(content, names):
    assert list(listed(io.BytesIO(content))) == names


def test_a_list_longer_than_a_block_is_cut_nowhere():
    names = [f"/sounds/{'x' * (number % 90)}{number}.wav" for number in range(20_000)]
    for end in "\n\0":
        assert list(listed(io.BytesIO(end.join(names).encode()))) == names


def test_a_list_on_stdin_is_embedded_and_what_is_missing_fails_alone(model, sounds, tmp_path, stdin, capsys):
    folder = sounds(0.5, 0.5, 0.5)
    (folder / "d*.wav").write_bytes((folder / "c.wav").read_bytes())
    stdin(b"".join(os.fsencode(folder / name) + b"\0" for name in ("a.wav", "gone.wav", "d*.wav", "a.wav")))
    out = tmp_path / "out"
    assert run(["embed", str(model), "-", "--out", str(out)]) == 4
    assert open_store(out).clips()["id"].to_pylist() == ["a.wav", "d*.wav"]
    assert "gone.wav,,does not exist" in (out / "failures.csv").read_text()
    stdin(b"\n")
    assert run(["embed", str(model), "-", "--out", str(tmp_path / "none")]) == 2
    assert "list on standard input is empty" in capsys.readouterr().err and not (tmp_path / "none").exists()
    stdin(b"a.wav\ns4://b/a.wav\n")
    assert run(["embed", str(model), "-", "--out", str(tmp_path / "none")]) == 2
    assert "s4:// is no protocol" in capsys.readouterr().err


def test_a_file_whose_name_is_no_text_is_embedded_and_known_again(bundle, sounds, tmp_path, stdin):
    path = tmp_path / "odd" / os.fsdecode(b"caf\xe9.wav")
    path.parent.mkdir()
    path.write_bytes((sounds(0.5) / "a.wav").read_bytes())
    out = tmp_path / "out"
    assert embed(bundle, path.parent, out).embedded == 1
    (name,) = open_store(out).clips()["path"].to_pylist()
    assert name == f"{path.parent.as_uri()}/caf%E9.wav"
    assert embed(bundle, path.parent, out).skipped == 1
    stdin(os.fsencode(path) + b"\n")
    assert len(gather(["-"], AUDIO)) == 1 and gather([name, path], AUDIO).column("path") == [name]


def test_a_table_says_which_part_of_which_file_and_its_faults_have_a_line(bundle, sounds, tmp_path, monkeypatch):
    folder = sounds(2.0)
    (tmp_path / "table.csv").write_text("path,start_s,end_s,label\na.wav,0.5,1.5,dog\na.wav,1,2,cat\n")
    monkeypatch.chdir(tmp_path)
    embed(bundle, "table.csv", "out", data=folder)
    store = open_store("out")
    assert store.table("windows").select(["item_start_s", "start_s", "end_s"]).to_pylist() == [
        {"item_start_s": 0.5, "start_s": 0.5, "end_s": 1.5},
        {"item_start_s": 1.0, "start_s": 1.0, "end_s": 2.0},
    ]
    part = chirp(2.0)[RATE // 2 : RATE // 2 * 3]
    assert np.allclose(store.embeddings()[0], bundle.embed(part, RATE), atol=1e-6)
    (tmp_path / "table.csv").write_text("path,start_s,end_s\na.wav,0,1\ngone.wav,0,1\na.wav,1,x\n")
    with pytest.raises(DataError) as caught:
        embed(bundle, "table.csv", "out", data=folder)
    assert "table.csv line 3" in str(caught.value) and "table.csv line 4" in str(caught.value)


def test_names_are_gathered_as_a_table_in_order_and_once(sounds, tmp_path):
    folder = sounds(0.1, 0.1)
    (folder / "b").mkdir()
    (folder / "b" / "c.wav").write_bytes(b"x")
    items = gather([folder, str(folder / "a.wav"), str(folder / "*")], AUDIO)
    assert items.column("id") == ["a.wav", "b/c.wav", "b.wav"]
    assert items.column("path") == [str(folder / name) for name in ("a.wav", "b/c.wav", "b.wav")]
    with pytest.raises(UsageError, match="nothing matches"):
        gather([str(folder / "*.flac")], AUDIO)


@pytest.mark.parametrize(
    ("modality", "own", "other"), [(AUDIO, "a.wav", "b.png"), (IMAGE, "b.png", "a.wav")], ids=["sounds", "pictures"]
)
def test_a_folder_or_url_is_searched_for_what_the_model_embeds(tmp_path, modality, own, other):
    for name in (own, other, f"deep/{own}", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert gather([tmp_path], modality).column("id") == sorted([own, f"deep/{own}"])
    assert gather([str(tmp_path / "deep*")], modality).column("id") == [own]
    assert gather([f"gone/{own}"], modality).column("id") == [own], "it will be listed as failed"
    assert gather([tmp_path / other], modality).column("id") == [other], "what a file is, its content says"
    with pytest.raises(DataError):
        gather([f"gone/{other}"], modality)
    (tmp_path / own).unlink(), (tmp_path / "deep" / own).unlink()
    with pytest.raises(DataError, match=f"holds no {modality.noun} file but 1 "):
        gather([tmp_path], modality)
