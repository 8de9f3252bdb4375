"""Exports hold the store's rows in its order, are read without us and without pickle, and are whole or not there."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pyarrow.dataset as ds
import pytest

import audiossl
from audiossl.embedding import export as exports
from audiossl.embedding import export_hf
from audiossl.errors import DataError, UsageError, WriteError
from audiossl.recipe.yaml import read_yaml
from tests.embedding.stores import sound, write_store

RNG = np.random.default_rng(2)


@pytest.fixture
def store(tmp_path):
    items = [
        sound("a.wav", "dog", "loud", split="train", fold=1, group="g"),
        sound("b,'ü'.wav", "cat", split="test/1", start_s=0.5, end_s=1.5),
        sound("c.wav", split="train", fold=2),
    ]
    return write_store(tmp_path / "store", items, [RNG.normal(size=(n, 6)) for n in (2, 1, 3)], shard_items=1)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(exports, "VALUES_AT_ONCE", 7)
    monkeypatch.setattr(export_hf, "VALUES_AT_ONCE", 7)


@pytest.mark.parametrize("kind", ["clips", "windows"])
def test_npz_is_read_by_plain_numpy_in_a_fresh_interpreter(store, tmp_path, kind):
    view = audiossl.embeddings.open(store, kind)
    done = audiossl.embeddings.export(store, tmp_path / "e.npz", to="npz", kind=kind)
    assert (done.rows, done.embedding_dim, done.paths) == (len(view), 6, [tmp_path / "e.npz"])
    program = (
        "import json, sys, numpy; z = numpy.load(sys.argv[1]); numpy.save(sys.argv[2], z['embedding']);"
        "print(json.dumps({name: z[name].tolist() for name in z.files if name != 'embedding'}))"
    )
    out = str(tmp_path / "back.npy")
    command = [sys.executable, "-c", program, str(done.paths[0]), out]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert np.array_equal(np.load(out), view.numpy())
    assert list(told) == view.columns
    assert told["id"] == view.table(["id"])["id"].to_pylist()
    if kind == "clips":
        assert told["labels"] == ["dog;loud", "cat", ""] and told["fold"] == [1, -1, 2]
        assert told["short"] == [False] * 3 and told["group"] == ["g", "", ""]
        assert np.isnan(told["item_start_s"][0]) and told["item_start_s"][1] == 0.5


@pytest.mark.parametrize("kind", ["clips", "windows"])
def test_csv_and_npy_agree_with_the_store(store, tmp_path, kind):
    view = audiossl.embeddings.open(store, kind)
    audiossl.embeddings.export(view, tmp_path / "e.csv", to="csv")
    with (tmp_path / "e.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    values = np.array([[row[f"e{at}"] for at in range(6)] for row in rows]).astype(np.float32)
    assert np.array_equal(values, view.numpy()), "every digit that matters is written"
    assert list(rows[0]) == [*view.columns, *(f"e{at}" for at in range(6))]
    done = audiossl.embeddings.export(view, tmp_path / "e.npy", to="npy")
    assert np.array_equal(np.load(tmp_path / "e.npy"), view.numpy())
    assert done.paths[1] == tmp_path / "e.columns.csv"
    with done.paths[1].open(newline="", encoding="utf-8") as file:
        beside = list(csv.DictReader(file))
    assert beside == [{name: row[name] for name in view.columns} for row in rows]
    assert [row["path"] for row in beside] == view.table(["path"])["path"].to_pylist()


def test_a_dataset_has_a_file_per_split_and_a_card_that_names_them(store, tmp_path):
    out = tmp_path / "hf"
    view = audiossl.embeddings.open(store, "windows")
    assert audiossl.embeddings.export(store, out, to="hf-dataset", kind="windows").rows == 6
    _, header, text = (out / "README.md").read_text().split("---\n")
    (tmp_path / "card.yaml").write_text(header)
    (config,) = read_yaml(tmp_path / "card.yaml").value["configs"]
    files = {one["split"]: out / one["path"] for one in config["data_files"]}
    assert set(files) == {"train", "test_1"} and all(path.is_file() for path in files.values())
    assert "5 in train" in text and str(tmp_path) not in text
    table = ds.dataset([files["test_1"], files["train"]]).to_table().sort_by([("path", "ascending")])
    assert table.column_names == [*view.columns, "embedding"]
    assert sorted(map(str, table.drop(["embedding"]).to_pylist())) == sorted(
        map(str, view.table(view.columns).to_pylist())
    )
    train = ds.dataset(files["train"]).to_table()
    assert np.array_equal(np.array(train["embedding"].to_pylist(), np.float32), view.where(split="train").numpy())
    assert train["labels"].to_pylist()[0] == ["dog", "loud"]


def test_a_view_is_exported_as_it_was_chosen(store, tmp_path):
    chosen = audiossl.embeddings.open(store).where(label="cat")
    assert audiossl.embeddings.export(chosen, tmp_path / "cats.npz", to="npz").rows == 1
    assert np.load(tmp_path / "cats.npz")["id"].tolist() == ["b,'ü'.wav"]


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(store, tmp_path):
    export = audiossl.embeddings.export
    with pytest.raises(UsageError, match=r"no format parquet; write one of: npz, npy, csv, hf-dataset"):
        export(store, tmp_path / "x", to="parquet")
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        export(store, tmp_path / "there", to="hf-dataset")
    with pytest.raises(UsageError, match=r"is a folder; give the name of the file, such as .*embeddings\.csv"):
        export(store, tmp_path / "there", to="csv")
    with pytest.raises(DataError, match=r"the store is empty"):
        export(write_store(tmp_path / "empty", [], []), tmp_path / "x.npz", to="npz")
    semicolon = write_store(tmp_path / "semicolon", [sound("a.wav", "a;b")], [np.ones((1, 2))])
    with pytest.raises(DataError, match=r"the label 'a;b' holds the ';'"):
        export(semicolon, tmp_path / "x.csv", to="csv")
    assert {path.name for path in tmp_path.iterdir()} == {"store", "there", "empty", "semicolon"}


@pytest.mark.parametrize("to", exports.FORMATS)
def test_an_export_that_breaks_in_the_middle_leaves_nothing(store, tmp_path, to):
    class Full:
        def start(self, *_, **__): ...
        def close(self): ...
        def advance(self, *_, **__):
            raise OSError(28, "No space left on device")

    with pytest.raises(WriteError):
        audiossl.embeddings.export(store, tmp_path / "e", to=to, progress=Full())
    assert {path.name for path in tmp_path.iterdir()} == {"store"}
