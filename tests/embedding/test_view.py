"""`audiossl.embeddings.open`: one store as NumPy, Arrow, pandas, torch and a memory map, sorted whatever made it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

import audiossl
from audiossl.embedding import view as views
from audiossl.errors import DataError, UsageError
from tests.embedding.stores import sound, write_store

RNG = np.random.default_rng(1)
COUNTS = (1, 3, 2, 4, 1, 2)


@pytest.fixture
def windows():
    return [RNG.normal(size=(count, 8)).astype(np.float32) for count in COUNTS]


@pytest.fixture
def store(windows, tmp_path):
    items = [
        sound("a.wav", "dog", split="train", fold=1, group="g"),
        sound("b.wav", "cat", split="train", fold=2, group="g"),
        sound("c.wav", "dog", split="test", fold=1),
        sound("d.wav", "cat", split="test", fold=3, start_s=1.0, end_s=3.0),
        sound("e.wav", split="test"),
        sound("f.wav", "bird", split="valid", fold=2),
    ]
    return write_store(tmp_path / "store", items, windows, shard_items=2)


def test_every_face_shows_the_same_rows_in_the_same_order(store, windows):
    wanted = {"clips": np.stack([rows.mean(axis=0) for rows in windows]), "windows": np.concatenate(windows)}
    for kind, x_ND in wanted.items():
        view = audiossl.embeddings.open(store, kind)
        assert len(view) == len(x_ND) and view.embedding_dim == 8
        assert view.numpy().dtype == np.float32 and np.array_equal(view.numpy(), x_ND)
        assert np.array_equal(np.asarray(view), x_ND) and np.array_equal(view.mapped(), x_ND)
        table = view.table()
        assert table.column_names == [*view.columns, "embedding"]
        assert np.array_equal(np.array(table["embedding"].to_pylist(), np.float32), x_ND)
        frame = view.pandas()
        assert np.array_equal(np.stack(frame["embedding"]), x_ND) and list(frame.columns) == table.column_names
        with view.in_order() as ordered:
            assert np.array_equal(ordered, x_ND)
        filled = np.zeros_like(x_ND)
        for places, x_nD in view.blocks():
            filled[places] = x_nD
        assert np.array_equal(filled, x_ND)
        parts = list(view.shards(["id"]))
        assert len(parts) == 3 and sum(len(part) for part in parts) == len(x_ND)
    assert len(audiossl.embeddings.open(store).windows) == sum(COUNTS)
    ids = [f"{letter}.wav" for letter, count in zip("abcdef", COUNTS, strict=True) for _ in range(count)]
    assert audiossl.embeddings.open(store, "windows").table(["id"])["id"].to_pylist() == ids


def test_rows_say_which_item_they_are_of(store):
    view = audiossl.embeddings.open(store, "windows")
    assert view.store.items("windows").tolist() == np.repeat(np.arange(6), COUNTS).tolist()
    assert view.store.items("clips").tolist() == list(range(6))
    assert view.pandas(["start_s"])["start_s"].tolist()[6:10] == [1.0, 1.5, 2.0, 2.5]


def test_where_chooses_rows_for_every_face(store, windows):
    clips = audiossl.embeddings.open(store)
    dogs = clips.where(label="dog")
    assert dogs.pandas(["id", "labels"]).values.tolist() == [["a.wav", ["dog"]], ["c.wav", ["dog"]]]
    assert np.array_equal(dogs.numpy(), clips.numpy()[[0, 2]])
    assert clips.where(label=["dog", "cat"], split="test").table(["id"])["id"].to_pylist() == ["c.wav", "d.wav"]
    assert clips.where(fold=2).where(split="valid").rows.tolist() == [5]
    chosen = clips.windows.where(group="g")
    assert np.array_equal(chosen.numpy(), np.concatenate(windows[:2])) and len(chosen) == 4
    places, found = zip(*chosen.blocks(), strict=True)
    assert sorted(np.concatenate(places)) == [0, 1, 2, 3] and sum(map(len, found)) == 4
    with chosen.in_order() as ordered:
        assert np.array_equal(ordered, chosen.numpy())
    assert sum(len(part) for part in chosen.shards()) == 4
    with pytest.raises(UsageError, match="rows can be mapped"):
        chosen.mapped()


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"label": "dgo"}, "no row has label dgo; did you mean dog"),
        ({"split": "dev"}, "no row has split dev; there are: test, train, valid"),
        ({"colour": "red"}, "colour is none of label, split"),
    ],
)
def test_a_choice_that_no_row_meets_is_refused(store, wanted, sentence):
    with pytest.raises(UsageError, match=sentence):
        audiossl.embeddings.open(store).where(**wanted)


def test_an_unknown_column_is_refused_with_its_neighbour(store):
    with pytest.raises(UsageError, match="no column lables; did you mean labels"):
        audiossl.embeddings.open(store).table(["lables"])


def test_the_map_is_made_once_and_again_when_rows_change(store, windows, tmp_path):
    view = audiossl.embeddings.open(store)
    assert isinstance(view.mapped(), np.memmap) and not view.mapped().flags.writeable
    (made,) = store.glob("*.npy")
    stamp = made.stat().st_mtime_ns
    view.mapped()
    assert made.stat().st_mtime_ns == stamp
    windows[0] = windows[0] + 1
    write_store(store, [sound("new.wav")], windows[:1])
    again = audiossl.embeddings.open(store)
    with again.in_order() as ordered:
        assert len(ordered) == 7, "the old map is never taken for the new rows"
    assert np.array_equal(again.mapped(), again.numpy()) and not made.exists() and len(list(store.glob("*.npy"))) == 1


def test_rows_beyond_memory_are_ordered_in_a_temporary_file(store, monkeypatch):
    monkeypatch.setattr(views, "IN_MEMORY_BYTES", 0)
    view = audiossl.embeddings.open(store, "windows")
    with view.in_order() as ordered:
        assert isinstance(ordered, np.memmap) and np.array_equal(ordered, view.numpy())
    assert not list(store.glob("*.npy"))


def test_one_shard_in_order_is_a_view_and_no_copy(tmp_path):
    view = audiossl.embeddings.open(write_store(tmp_path / "one", [sound("a.wav")], [RNG.normal(size=(4, 8))]))
    assert not view.windows.numpy().flags.owndata and not view.windows.numpy().flags.writeable
    assert view.windows.numpy().shape == (4, 8)


def test_a_torch_dataset_has_embeddings_and_targets(store):
    view = audiossl.embeddings.open(store)
    for mapped in (False, True):
        data = view.torch(mapped=mapped)
        assert data.classes == ["bird", "cat", "dog"] and data.targets.tolist() == [2, 1, 2, 1, -1, 0]
        (x_ND, targets), *_ = torch.utils.data.DataLoader(data, batch_size=6)
        assert np.array_equal(x_ND.numpy(), view.numpy()) and torch.equal(targets, data.targets)


def test_several_labels_per_row_are_a_vector_of_classes(tmp_path):
    rows = [RNG.normal(size=(1, 4))] * 2
    store = write_store(tmp_path / "store", [sound("a.wav", "x", "y"), sound("b.wav")], rows)
    assert audiossl.embeddings.open(store).torch().targets.tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_an_empty_store_has_no_rows_and_a_folder_without_one_is_refused(tmp_path):
    view = audiossl.embeddings.open(write_store(tmp_path / "empty", [], []))
    assert len(view) == 0 and view.numpy().shape == (0, 4) and len(view.windows.table()) == 0
    with pytest.raises(DataError, match="holds no embeddings"):
        audiossl.embeddings.open(tmp_path)


def test_a_shard_that_is_cut_or_holds_other_rows_is_told(store):
    shards = sorted(store.glob("clips-*.parquet"))
    shards[0].write_bytes(shards[2].read_bytes()[:-9])
    with pytest.raises(DataError, match=r"clips-00000\.parquet: is gone or damaged"):
        audiossl.embeddings.open(store).numpy()


def test_reading_imports_neither_torch_nor_scipy(store):
    program = f"import audiossl, sys; audiossl.embeddings.open({str(store)!r}).numpy(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "scipy", "faiss"} & set(done.stdout.split())
