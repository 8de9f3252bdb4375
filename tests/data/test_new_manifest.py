"""`audiossl data new`: what is seen in a user's folder or table, and that the manifest it makes is a good one."""

from __future__ import annotations

import re

import pytest

from audiossl.data.check import check
from audiossl.data.manifest import list_items, load_items, load_manifest
from audiossl.data.new_manifest import write_manifest
from audiossl.errors import DataError, UsageError
from tests.data.made import table
from tests.data.remote_sets import sound
from tests.image.made import save, scene


def put(folder, *names, frames=400):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            save(folder / name, scene(20 + i, 30))
        else:
            (folder / name).write_bytes(sound(i, frames))
    return folder


@pytest.fixture(params=["wav", "png"])
def suffix(request):
    """Of each wing's files."""
    return request.param


def made(source, tmp_path, **options):
    """The manifest that is written; it finds what it says, and lists what a user sees."""
    out = tmp_path / "made.yaml"
    written = write_manifest(source, out, **options)
    listing = list_items(out, written.root)
    assert listing.problems == []
    assert [fault for fault in check(listing).faults if "expected" in fault] == []
    return load_manifest(out), listing.items


def test_labels_are_the_folders(tmp_path, suffix):
    folder = put(tmp_path / "My Birds", f"wren/a.{suffix}", f"wren/b.{suffix}", f"owl/a.{suffix}")
    manifest, items = made(folder, tmp_path)
    assert items.label_list() == ["owl", "wren", "wren"]
    assert manifest.name == "my_birds"
    assert manifest.license.dataset == "unknown"
    assert manifest.expect.model_dump(exclude_none=True, exclude_defaults=True) == {"items": 3, "classes": 2}
    assert manifest.modality == {"wav": "audio", "png": "image"}[suffix]


def test_what_all_files_have_in_common_is_measured(tmp_path):
    pictures, _ = made(put(tmp_path / "pictures", "a/1.png", "b/2.png"), tmp_path)
    assert pictures.image.model_dump() == {"width": (30, 30), "height": (20, 21), "mode": "RGB", "format": "png"}
    (tmp_path / "made.yaml").unlink()
    manifest, _ = made(put(tmp_path / "sounds", "a/1.wav", "b/2.wav"), tmp_path)
    assert (manifest.audio.sample_rate, manifest.audio.channels, manifest.audio.format) == (8000, 1, "wav")
    assert manifest.audio.duration_s == (0.05, 0.05)


def test_a_folder_without_folders_has_no_labels(tmp_path, suffix):
    manifest, items = made(put(tmp_path / "files", f"a.{suffix}", f"b.{suffix}"), tmp_path)
    assert not items.has_labels
    assert manifest.tasks == {}


def test_one_folder_for_all_is_no_label(tmp_path):
    _, items = made(put(tmp_path / "sounds", "audio/a.wav", "audio/b.wav"), tmp_path)
    assert not items.has_labels


def test_parts_at_the_top_are_splits(tmp_path, suffix):
    names = ["Train/owl/x/b", "Train/wren/a", "test/owl/d", "val/wren/c"]
    manifest, items = made(put(tmp_path / "s", *(f"{name}.{suffix}" for name in names)), tmp_path)
    assert sorted(zip(items.column("path"), items.column("split"), items.label_list(), strict=True)) == [
        (f"Train/owl/x/b.{suffix}", "train", "x"),
        (f"Train/wren/a.{suffix}", "train", "wren"),
        (f"test/owl/d.{suffix}", "test", "owl"),
        (f"val/wren/c.{suffix}", "valid", "wren"),
    ]
    assert manifest.tasks["labels"].protocol.by == "split"


def test_folds_at_the_top_are_folds(tmp_path):
    sounds = put(tmp_path / "s", *(f"fold{f}/{label}/{i}.wav" for f in (1, 2) for label in "ab" for i in (1, 2)))
    manifest, items = made(sounds, tmp_path)
    assert items.column("fold") == [1] * 4 + [2] * 4
    assert manifest.expect.folds == {"1": 4, "2": 4}
    assert manifest.tasks["labels"].protocol.by == "fold"


def test_columns_are_known_by_their_names_and_files_by_their_folder(tmp_path, suffix):
    put(tmp_path / "set", *(f"files/{i}.{suffix}" for i in range(4)))
    rows = [f"{i},{'ab'[i % 2]},fold{i // 2 + 1},s{i // 2}" for i in range(4)]
    source = table(tmp_path / "set", "Fname,Category,fold,Speaker_ID", *rows)
    manifest, items = made(source, tmp_path)
    assert items.column("path") == [f"files/{i}.{suffix}" for i in range(4)]
    assert manifest.modality == {"wav": "audio", "png": "image"}[suffix]
    assert items.label_list() == ["a", "b", "a", "b"]
    assert items.column("fold") == [1, 1, 2, 2]
    assert items.groups() == ["s0", "s0", "s1", "s1"]
    assert manifest.items[0].path == f"files/{{Fname}}.{suffix}"
    assert manifest.expect.groups == 2


@pytest.mark.parametrize(
    ("said", "meant", "splits"),
    [
        (["Training", "val", "TEST"], ["train", "valid", "test"], ("train", "valid", "test")),
        (["train", "valid", "test"], ["train", "valid", "test"], ("train", "valid", "test")),
        (["clean", "noisy", "test"], ["clean", "noisy", "test"], ("clean", "noisy", "test")),
    ],
)
def test_words_for_splits_are_understood_and_others_kept(tmp_path, said, meant, splits):
    put(tmp_path / "set", "0.wav", "1.wav", "2.wav")
    rows = [f"{i}.wav,{split}" for i, split in enumerate(said)]
    manifest, items = made(table(tmp_path / "set", "file;subset", *[row.replace(",", ";") for row in rows]), tmp_path)
    assert items.column("split") == meant
    assert manifest.splits == splits


def test_several_labels_and_times(tmp_path):
    put(tmp_path / "set", "x.wav", frames=16000)
    lines = ["path,tags,onset,offset,caption", 'x.wav,"dog,rain",0.0,1.0,a dog', "x.wav,dog,1.0,2.0,"]
    manifest, items = made(table(tmp_path / "set", *lines), tmp_path)
    assert items.column("labels") == [["dog", "rain"], ["dog"]]
    assert (items.column("start_s"), items.column("end_s")) == ([0.0, 1.0], [1.0, 2.0])
    assert items.column("text") == ["a dog", None]
    assert manifest.tasks["labels"].target == "multi"
    assert manifest.expect.texts == 1


def test_the_metadata_of_a_folder_is_its_table(tmp_path):
    put(tmp_path / "set", "a.wav", "b.wav")
    table(tmp_path / "set", "file_name,label", "a.wav,x", "b.wav,y", name="metadata.csv")
    manifest, items = made(tmp_path / "set", tmp_path)
    assert (manifest.name, items.label_list()) == ("set", ["x", "y"])


def test_a_table_in_a_folder_of_its_own_finds_the_sounds_next_door(tmp_path):
    put(tmp_path / "set", "audio/a.wav", "audio/b.wav")
    (tmp_path / "set/meta").mkdir()
    source = table(tmp_path / "set/meta", "filename,label", "a.wav,x", "b.wav,y")
    manifest, items = made(source, tmp_path)
    assert items.root.resolve() == (tmp_path / "set").resolve()
    assert (manifest.items[0].file, manifest.items[0].path) == ("meta/mine.csv", "audio/{filename}")


def test_tables_in_a_folder_that_were_not_read_are_named(tmp_path):
    put(tmp_path / "set", "audio/a.wav")
    (tmp_path / "set/meta").mkdir()
    source = table(tmp_path / "set/meta", "filename,label", "a.wav,x")
    assert write_manifest(tmp_path / "set", tmp_path / "made.yaml").tables == [source]


def test_beside_its_sounds_a_manifest_needs_no_folder(tmp_path):
    sounds = put(tmp_path / "s", "a/1.wav", "b/2.wav")
    write_manifest(sounds, sounds / "mine.yaml")
    assert load_items(sounds / "mine.yaml").label_list() == ["a", "b"]


def test_each_section_says_what_it_is_for(tmp_path):
    made(put(tmp_path / "s", "a/1.wav", "b/2.wav"), tmp_path)
    text = (tmp_path / "made.yaml").read_text()
    for key in ("schema", "title", "license", "audio", "items", "tasks", "expect"):
        assert re.search(rf"^# .+\n(?:# .+\n)*{key}:", text, re.M), key


def test_a_file_that_is_there_is_not_written_over_unless_asked(tmp_path):
    sounds = put(tmp_path / "s", "a/1.wav", "b/2.wav")
    (tmp_path / "made.yaml").write_text("mine")
    with pytest.raises(UsageError, match="is there already; choose another --out, or write over it with --force"):
        made(sounds, tmp_path)
    assert (tmp_path / "made.yaml").read_text() == "mine"
    made(sounds, tmp_path, force=True, name="other")
    assert load_manifest(tmp_path / "made.yaml").name == "other"


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (["name,label", "a.wav,x"], "mine.csv line 1: has no column that names files; call it one of path, file"),
        (["path,label"], "has no row below its header"),
        (["path,label", "a.wav,x", "gone.wav,y"], "mine.csv line 3: `gone.wav` not found"),
        (["path,label", "../a.wav,x"], "mine.csv line 2: .*leaves"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_and_nothing_is_written(tmp_path, lines, match):
    put(tmp_path / "set", "a.wav")
    with pytest.raises(DataError, match=match):
        write_manifest(table(tmp_path / "set", *lines), tmp_path / "made.yaml")
    assert not (tmp_path / "made.yaml").exists()


def test_what_is_no_folder_and_no_table_is_told(tmp_path):
    with pytest.raises(DataError, match="is neither a folder nor a table"):
        write_manifest(tmp_path / "gone", tmp_path / "made.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no sound file"):
        write_manifest(tmp_path / "empty", tmp_path / "made.yaml")
    with pytest.raises(UsageError, match="a manifest is a YAML file"):
        write_manifest(tmp_path / "empty", tmp_path / "made.txt")
