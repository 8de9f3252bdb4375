"""`audiossl search` and `audiossl embeddings` at the command line: tables, JSON, files and exit codes."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from audiossl.api import embed
from audiossl_cli.app import run
from tests.embedding.stores import sound, write_store


@pytest.fixture
def store(model, sounds, tmp_path):
    embed(model, sounds(2.0, 1.0, 1.5), tmp_path / "store", window_s=0.5)
    return tmp_path / "store"


def test_search_prints_writes_and_saves_the_same_hits(store, tmp_path, capsys):
    arguments = ["search", str(store), "a.wav", "--k", "3"]
    assert (
        run([*arguments, "--json", "--csv", str(tmp_path / "hits.csv"), "--save-sounds", str(tmp_path / "hits")]) == 0
    )
    said = capsys.readouterr()
    (found,) = json.loads(said.out)
    assert found["query"] == "a.wav" and len(found["hits"]) == 3 and "3 files written" in said.err
    with (tmp_path / "hits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert [float(row["similarity"]) for row in rows] == [hit["similarity"] for hit in found["hits"]]
    assert len(list((tmp_path / "hits").glob("0[123]_*.wav"))) == 3
    assert run(arguments) == 0
    table = capsys.readouterr().out
    assert all(hit["path"] in table for hit in found["hits"]) and "rank" in table and "query" not in table
    assert run([*arguments, "b.wav"]) == 0
    assert "query" in capsys.readouterr().out


def test_a_hit_whose_sound_is_gone_gives_exit_code_4_and_the_others(store, tmp_path, capsys):
    (tmp_path / "sounds" / "b.wav").unlink()
    assert run(["search", str(store), "a.wav", "--kind", "clips", "--save-sounds", str(tmp_path / "hits")]) == 4
    assert "b.wav: does not exist" in capsys.readouterr().err
    assert len(list((tmp_path / "hits").iterdir())) == 1


def test_duplicates_are_listed_and_counted(tmp_path, capsys):
    rows = [np.eye(4)[[at % 3]] for at in range(4)]
    store = write_store(tmp_path / "store", [sound(f"{name}.wav", name) for name in "abcd"], rows)
    out = tmp_path / "duplicates.csv"
    assert run(["search", str(store), "--duplicates", "--csv", str(out)]) == 0
    said = capsys.readouterr()
    assert "/sounds/a.wav" in said.out and "/sounds/d.wav" in said.out and "/sounds/b.wav" not in said.out
    assert "1 groups of 2 near-duplicates (cosine 0.99 or more) among 4 clips" in said.err
    assert out.read_text().splitlines() == [
        "group,similarity,path,start_s,end_s,labels",
        "1,1.0,/sounds/a.wav,0.0,0.5,a",
        "1,1.0,/sounds/d.wav,0.0,0.5,d",
    ]
    assert run(["search", str(store), "--duplicates", "--json", "--threshold", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["compared"] == 4 and [hit["id"] for hit in told["groups"][0]] == ["a.wav", "d.wav"]


def test_show_says_what_made_the_store_and_what_failed(store, model, tmp_path, capsys):
    (tmp_path / "sounds" / "bad.wav").write_bytes(b"no sound")
    assert run(["embed", str(model), str(tmp_path / "sounds"), "--out", str(store), "--window-s", "0.5"]) == 4
    capsys.readouterr()
    assert run(["embeddings", "show", str(store), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["clips"], told["windows"], told["failures"], told["embedding_dim"]) == (3, 9, 1, 32)
    assert told["model"]["path"] == str(model) and told["parameters"]["window_s"] == 0.5
    assert run(["embeddings", "show", str(store)]) == 0
    table = capsys.readouterr().out
    assert str(model) in table and "failures.csv" in table and told["model"]["sha256"] in table


@pytest.mark.parametrize("to", ["npz", "npy", "csv", "hf-dataset"])
def test_export_says_what_it_wrote(store, tmp_path, capsys, to):
    out = tmp_path / "out" / "e"
    assert run(["embeddings", "export", str(store), "--to", to, "--out", str(out), "--kind", "windows", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["embedding_dim"], told["paths"][0]) == (9, 32, str(out)) and out.exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["search", "STORE"], 2),
        (["search", "STORE", "a.wav", "--duplicates"], 2),
        (["search", "STORE", "a.wav", "--k", "0"], 2),
        (["search", "STORE", "nobody.wav"], 2),
        (["search", "STORE", "--duplicates", "--threshold", "1.5"], 2),
        (["search", "sounds", "a.wav"], 3),
        (["embeddings", "show", "sounds"], 3),
        (["embeddings", "export", "sounds", "--to", "csv", "--out", "x.csv"], 3),
        (["embeddings", "export", "STORE", "--to", "hf-dataset", "--out", "sounds"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_gives_one_sentence_and_its_exit_code(store, tmp_path, monkeypatch, capsys, arguments, code):
    monkeypatch.chdir(tmp_path)
    assert run([str(store) if word == "STORE" else word for word in arguments]) == code
    said = capsys.readouterr()
    assert not said.out and len(said.err.strip().splitlines()) == 1
