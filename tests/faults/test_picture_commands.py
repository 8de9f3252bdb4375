"""Broken and odd pictures through the commands: told, left out, counted; never a crash."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from audiossl.bundle.save import save_bundle
from audiossl.embedding.store import open_store
from audiossl_cli.app import run
from tests.faults.broken import run_embed
from tests.faults.pictures import broken, odd, tiny_picture_bundle
from tests.image.made import save, scene, with_orientation

pytestmark = pytest.mark.timeout(60)

RECIPE = """
modality: image
name: tiny
frontend: {name: pixels, side: 16}
encoder: {name: resnet18, stem: 3x3/2, width: 8}
method: {name: simclr, head: 8 bn relu 4}
training: {batch_size: 4, epochs: null, steps: 2, threads: 1}
monitors: {k: 2}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle, path = tiny_picture_bundle(), tmp_path_factory.mktemp("tiny") / "encoder.safetensors"
    save_bundle(path, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics)
    return path


def test_every_broken_picture_is_listed_and_good_ones_are_the_same_bit_for_bit_without_them(model, tmp_path):
    good, both = tmp_path / "good", tmp_path / "both"
    names = odd(good)
    causes = broken(both)
    for name in names:
        (both / name).symlink_to(good / name)
    clean, mixed = run_embed(model, good, tmp_path / "clean"), run_embed(model, both, tmp_path / "mixed")
    assert (clean.code, *clean.counts) == (0, len(names), 0, 0)
    assert (mixed.code, *mixed.counts) == (4, len(names) + 1, 0, len(causes))
    assert {name for name, cause in causes.items() if cause not in mixed.causes.get(name, "")} == set()
    for name in names:
        assert np.array_equal(mixed.embedding(name), clean.embedding(name)) and np.isfinite(clean.embedding(name)).all()
    again = run_embed(model, both, tmp_path / "mixed")
    assert (again.code, *again.counts) == (4, 0, len(names) + 1, len(causes))


def test_what_was_met_in_a_picture_stands_in_its_row_and_nothing_has_a_time(model, tmp_path):
    names = odd(tmp_path / "odd")
    done = run_embed(model, tmp_path / "odd", tmp_path / "out")
    rows = done.clips()
    assert sorted(rows) == names
    assert {name: rows[name]["mode"] for name in ("cmyk.jpg", "palette.png", "deep.png")} == {
        "cmyk.jpg": "CMYK",
        "palette.png": "P",
        "deep.png": "I;16",
    }
    assert [name for name in names if rows[name]["turned"]] == ["turned.jpg"]
    assert (rows["dot.png"]["width"], rows["dot.png"]["height"], rows["dot.png"]["plain"]) == (1, 1, True)
    windows = done.rows("windows")
    assert len(windows) == len(names)
    assert {(row["start_s"], row["end_s"], row["item_start_s"]) for row in windows} == {(None, None, None)}
    assert done.report["sound_s"] is None and done.report["times_real_time"] is None


def test_a_picture_that_exif_turns_is_embedded_upright(model, tmp_path):
    save(tmp_path / "turned.png", scene(40, 30), exif=with_orientation(8))
    save(tmp_path / "upright.png", np.rot90(scene(40, 30)).copy())
    done = run_embed(model, tmp_path, tmp_path / "out")
    assert np.array_equal(done.embedding("turned.png"), done.embedding("upright.png"))


def test_a_jpeg_named_png_is_read_by_its_content(model, tmp_path):
    save(tmp_path / "true.jpg", scene())
    (tmp_path / "false.png").write_bytes((tmp_path / "true.jpg").read_bytes())
    done = run_embed(model, tmp_path, tmp_path / "out")
    assert (done.code, *done.counts) == (0, 2, 0, 0)
    assert np.array_equal(done.embedding("true.jpg"), done.embedding("false.png"))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ([], "holds no picture file; files ending in"),
        (["a.wav", "b.flac"], "holds no picture file but 2 sound files"),
    ],
)
def test_a_folder_without_pictures_is_one_sentence_and_exit_code_3(model, tmp_path, capsys, made, told):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in made:
        (folder / name).write_bytes(b"x")
    assert run_embed(model, folder, tmp_path / "out").code == 3
    said = capsys.readouterr().err
    assert told in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--window-s", 1), ("--hop-s", 0.5), ("--batch-s", 5), ("--pool", "none"), ("--nonfinite", "zero")],
)
def test_options_of_sounds_are_one_sentence_and_exit_code_2(model, tmp_path, capsys, option, value):
    save(tmp_path / "a.png", scene())
    assert run_embed(model, tmp_path / "a.png", tmp_path / "out", option, value).code == 2
    said = capsys.readouterr().err
    assert option in said and "leave" in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_table_of_parts_of_pictures_is_refused_with_its_line(model, tmp_path, capsys):
    save(tmp_path / "a.png", scene())
    (tmp_path / "t.csv").write_text("path,start_s,end_s\na.png,0,1\n")
    code = run_embed(model, tmp_path / "t.csv", tmp_path / "out").code
    assert code in (3, 4)
    told = capsys.readouterr().err
    if code == 4:
        told += (tmp_path / "out" / "failures.csv").read_text()
    assert "start" in told


def test_pretrain_lists_what_it_cannot_read_and_trains_on_the_rest(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    folder, out = tmp_path / "pictures", tmp_path / "run"
    causes = broken(folder)
    odd(folder)
    (tmp_path / "r.yaml").write_text(RECIPE)
    assert run(["pretrain", str(tmp_path / "r.yaml"), "--on", str(folder), "--out", str(out)]) == 4
    said = capsys.readouterr()
    assert f"lists {len(causes)} pictures that could not be read" in said.err and "Traceback" not in said.err
    assert "my_pictures/" in said.err
    with (out / "failures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    told = {Path(row["path"]).name: row["cause"] for row in rows}
    assert {name for name, cause in causes.items() if cause not in told.get(name, "")} == set()
    assert run_embed(Path(said.out.strip()), folder, tmp_path / "out").counts == (8, 0, len(causes))


def test_pretrain_on_a_folder_without_pictures_is_one_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "r.yaml").write_text(RECIPE)
    assert run(["pretrain", str(tmp_path / "r.yaml"), "--on", str(tmp_path / "empty"), "--out", "run"]) == 3
    said = capsys.readouterr().err
    assert "holds no picture file" in said and len(said.strip().splitlines()) == 1


def test_evaluate_names_the_picture_it_cannot_read(model, tmp_path, capsys):
    for label, size in (("cat", 30), ("dog", 40)):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(3):
            save(tmp_path / "set" / label / f"{number}.png", scene(size) + np.uint8(20 * number))
    (tmp_path / "set" / "cat" / "notes.png").write_text("Dear diary")
    command = ["evaluate", str(model), "--on", str(tmp_path / "set"), "--labels-from-folders"]
    assert run([*command, "--out", str(tmp_path / "out")]) == 3
    said = capsys.readouterr().err
    assert "notes.png" in said and "Traceback" not in said


def test_a_picture_finds_its_like_and_is_saved_as_it_is(model, tmp_path, capsys):
    folder, store = tmp_path / "pictures", tmp_path / "store"
    folder.mkdir()
    for number, shift in enumerate((0, 3, 90)):
        save(folder / f"{number}.png", scene() + np.uint8(shift))
    save(tmp_path / "asked.jpg", scene(), quality=98)
    assert run_embed(model, folder, store).code == 0
    assert run(["search", str(store), str(tmp_path / "asked.jpg"), "--json", "--save", str(tmp_path / "hits")]) == 0
    said = capsys.readouterr()
    hits = json.loads(said.out)[0]["hits"]
    assert [hit["id"] for hit in hits] == ["0.png", "1.png", "2.png"] and "3 files written" in said.err
    assert {(hit["start_s"], hit["end_s"]) for hit in hits} == {(None, None)}
    (best,) = (tmp_path / "hits").glob("01_*_0.png")
    assert best.read_bytes() == (folder / "0.png").read_bytes()
    for kind in ("windows", "clips"):
        assert run(["search", str(store), "0.png", "--kind", kind]) == 0
        table = capsys.readouterr().out
        assert "1.png" in table and "start_s" not in table and "None" not in table
    assert run(["search", str(store), "--duplicates", "--threshold", "0.999", "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)["groups"]
    assert [hit["id"] for hit in group][:2] == ["0.png", "1.png"]
    (folder / "1.png").write_text("gone bad")
    assert run(["search", str(store), "0.png", "--save", str(tmp_path / "more")]) == 4
    assert "1.png: is not a picture" in capsys.readouterr().err and len(list((tmp_path / "more").iterdir())) == 1
    for name in ("0.png@2", f"{tmp_path / 'asked.jpg'}@2"):
        assert run(["search", str(store), name]) == 2
        assert "has no time" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["npz", "npy", "csv", "hf-dataset"])
@pytest.mark.parametrize("kind", ["clips", "windows"])
def test_rows_of_pictures_are_shown_and_exported(model, tmp_path, capsys, to, kind):
    names = odd(tmp_path / "odd")
    store, out = tmp_path / "store", tmp_path / "exported"
    run_embed(model, tmp_path / "odd", store)
    assert run(["embeddings", "show", str(store)]) == 0
    assert "resnet18" in capsys.readouterr().out
    assert run(["embeddings", "export", str(store), "--to", to, "--out", str(out), "--kind", kind]) == 0
    if to == "hf-dataset":
        assert "tags:\n- image\n" in (out / "README.md").read_text()
    elif to == "csv":
        with out.open(newline="") as file:
            assert [row["id"] for row in csv.DictReader(file)] == names
    else:
        with out.open("rb") as file:
            found = np.load(file)
            assert np.array_equal(found["embedding"] if to == "npz" else found, open_store(store).embeddings(kind))
