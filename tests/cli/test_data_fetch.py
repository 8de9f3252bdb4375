"""`audiossl data fetch` and `audiossl data new` as a user meets them: what is shown, asked and printed."""

from __future__ import annotations

import io
import json

import pytest

from audiossl_cli import data_fetch
from audiossl_cli.app import run
from tests.data.remote_sets import esc_like, esc_manifest, sound, write, zipped
from tests.data.web import served


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served() as site:
        yield site


@pytest.fixture
def manifest(site, tmp_path):
    return esc_manifest(tmp_path, site, zipped(esc_like()))


def on_a_terminal(monkeypatch, answer):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal(answer))


def test_licence_size_and_place_are_shown_before_anything_is_fetched(manifest, site, tmp_path, capsys):
    assert run(["data", "fetch", str(manifest), "--to", str(tmp_path / "set"), "--dry-run"]) == 0
    told = capsys.readouterr()
    size = len(site.files["/archive/master.zip"])
    for words in (
        "licence: CC-BY-NC-4.0; commercial use is NOT allowed\n         some clips are CC0",
        "from:    https://example.org",
        "fetch:   archive, 1 file, ",
        f"({size:,} bytes) to download",
        "free:    ",
        f"to:      {tmp_path / 'set'}",
    ):
        assert words in told.err
    assert (told.out, site.log, (tmp_path / "set").exists()) == ("", [], False)


def test_without_a_terminal_yes_must_be_said(manifest, site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run(["data", "fetch", str(manifest), "--to", str(tmp_path / "set")]) == 2
    assert "run again with --yes" in capsys.readouterr().err
    assert site.log == []


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_on_a_terminal_the_user_is_asked(manifest, site, tmp_path, monkeypatch, answer, code):
    on_a_terminal(monkeypatch, answer)
    assert run(["data", "fetch", str(manifest), "--to", str(tmp_path / "set")]) == code
    assert (tmp_path / "set").is_dir() == (code == 0)
    assert len(site.log) == (code == 0)


def test_the_end_says_how_to_use_it_and_again_that_it_is_there(manifest, tmp_path, capsys):
    folder = tmp_path / "set"
    command = ["data", "fetch", str(manifest), "--to", str(folder), "--yes"]
    assert run(command) == 0
    told = capsys.readouterr().out
    assert told == f"tiny is in {folder}: 8 items, 8 files\nuse it with: --on {manifest} --data {folder}\n"
    assert run(command) == 0
    assert "already; nothing was fetched" in capsys.readouterr().out
    assert run(["data", "check", str(manifest), "--data", str(folder)]) == 0


def test_json_goes_to_stdout_and_words_to_stderr(manifest, site, tmp_path, capsys):
    assert run(["data", "fetch", str(manifest), "--to", str(tmp_path / "set"), "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counted"] == {"items": 8, "files": 8, "faults": []}
    assert told["files"] == [{"remote": "archive", "name": "master.zip", "bytes": told["bytes"]}]
    assert told["data"] == str(tmp_path / "set")
    assert told["licence"]["commercial"] == "no"


def test_counts_that_differ_end_with_exit_code_3(site, tmp_path, capsys):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()), n=9)
    assert run(["data", "fetch", str(manifest), "--to", str(tmp_path / "set"), "--yes"]) == 3
    told = capsys.readouterr()
    assert "items: 9 expected, 8 found" in told.err
    assert "every checksum is right" in told.err
    assert "use it with" not in told.out


@pytest.mark.parametrize("wrong", ["checksum", "gone", "registration"])
def test_what_cannot_be_fetched_is_one_sentence_and_exit_code_3(site, tmp_path, capsys, wrong):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    if wrong == "registration":
        said = json.loads(manifest.read_text())
        manifest = write(tmp_path / "m.yaml", **{**said, "availability": "registration"})
    site.files["/archive/master.zip"] = b"other"
    if wrong == "gone":
        site.files.clear()
    assert run(["data", "fetch", str(manifest), "--to", str(tmp_path / "set"), "--yes"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    expected = {"checksum": "md5 is", "gone": "404", "registration": "get it yourself from https://example.org"}
    assert expected[wrong] in told.err.splitlines()[-1]


def test_interrupted_by_the_user_the_same_command_continues(manifest, tmp_path, monkeypatch, capsys):
    command = ["data", "fetch", str(manifest), "--to", str(tmp_path / "set"), "--yes"]

    class Impatient:
        def start(self, *_, **__):
            raise KeyboardInterrupt

        def advance(self, *_, **__): ...

        def close(self): ...

    with monkeypatch.context() as patch:
        patch.setattr(data_fetch, "progress", Impatient)
        assert run(command) == 130
    assert "the same command continues" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
    assert run(command) == 0


def test_a_new_manifest_says_what_it_found_and_what_comes_next(tmp_path, capsys):
    for name in ("wren/a.wav", "owl/b.wav"):
        (tmp_path / "birds" / name).parent.mkdir(parents=True)
        (tmp_path / "birds" / name).write_bytes(sound(len(name)))
    out = tmp_path / "birds.yaml"
    assert run(["data", "new", str(tmp_path / "birds"), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}: 2 items, 2 classes\nnext: audiossl data check {out} --data {tmp_path / 'birds'}\n"
    assert "the licence is `unknown`" in told.err
    assert run(["data", "check", str(out), "--data", str(tmp_path / "birds")]) == 0
    assert run(["data", "new", str(tmp_path / "birds"), "--out", str(out)]) == 2
    assert run(["data", "new", str(tmp_path / "birds"), "--out", str(out), "--force", "--json"]) == 0
