"""From what a user names to checked rows; every fault of a table is told with its line (fault F20)."""

from __future__ import annotations

import csv
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.data.manifest import list_items, load_items
from audiossl.data.walk import SUFFIXES, find_files, find_sounds
from audiossl.errors import DataError
from audiossl.modality import MODALITIES, Kind
from tests.data.made import sounds, table

# ---- folders


NOUNS = {name: one.noun for name, one in MODALITIES.items()}

WINGS = pytest.mark.parametrize(("modality", "one", "two"), [("audio", "wav", "FLAC"), ("image", "png", "JPG")])


@WINGS
def test_a_folder_is_every_file_below_it_sorted_without_labels(tmp_path: Path, modality: Kind, one: str, two: str):
    here = [f"b/2.{two}", f"a.{one}", f"b/1.{one}"]
    sounds(tmp_path, *here, "notes.txt", f".hidden.{one}", f".git/x.{one}", f"b/._1.{one}")
    listing = list_items(tmp_path)
    assert listing.items.column("path") == [f"a.{one}", f"b/1.{one}", f"b/2.{two}"]
    assert listing.items.column("id") == listing.items.column("path")
    assert not listing.items.has_labels
    assert listing.manifest.modality == modality
    assert find_files(tmp_path, modality) == listing.items.paths()


@pytest.mark.parametrize(("modality", "suffix"), [(m, suffix) for m in SUFFIXES for suffix in sorted(SUFFIXES[m])])
def test_every_suffix_is_found(tmp_path: Path, modality: Kind, suffix: str):
    sounds(tmp_path, f"a{suffix}", f"b{suffix.upper()}")
    assert len(find_files(tmp_path, modality)) == 2
    assert list_items(tmp_path).manifest.modality == modality


@pytest.mark.parametrize(
    ("names", "modality"),
    [
        (["a.wav", "b.wav", "cover.jpg"], "audio"),
        (["a.png", "b.png", "theme.mp3"], "image"),
        (["a.wav", "a.png"], "audio"),
    ],
)
def test_a_mixed_folder_or_table_is_what_most_of_it_is_and_sounds_when_halved(
    tmp_path: Path, names: list[str], modality: Kind
):
    sounds(tmp_path, *names)
    listing = list_items(tmp_path)
    assert listing.manifest.modality == modality
    assert set(listing.items.column("path")) == {n for n in names if Path(n).suffix in SUFFIXES[modality]}
    listed = list_items(table(tmp_path, "path", *names))
    assert (listed.manifest.modality, len(listed.items)) == (modality, len(names))


@pytest.mark.parametrize(("wanted", "path"), [("audio", "a.wav"), ("image", "b.png")])
def test_who_knows_what_is_wanted_decides_and_not_the_files(tmp_path: Path, wanted: Kind, path: str):
    sounds(tmp_path, "a.wav", "b.png", "c.gif" if wanted == "audio" else "c.mp3", "d.gif", "e.ogg")
    assert load_items(tmp_path, modality=wanted).column("path")[0] == path
    assert set(load_items(tmp_path, modality=wanted).paths()) == set(find_files(tmp_path, wanted))


@WINGS
def test_data_of_another_kind_than_wanted_is_refused_in_words(tmp_path: Path, modality: Kind, one: str, two: str):
    other: Kind = "image" if modality == "audio" else "audio"
    sounds(tmp_path, f"x/1.{one}", f"y/2.{two}")
    with pytest.raises(DataError, match=f"holds no {NOUNS[other]} file but 2 {NOUNS[modality]} files; files ending in"):
        load_items(tmp_path, modality=other)
    words = f"holds {NOUNS[modality]}s, and {NOUNS[other]}s are wanted here; give data of {NOUNS[other]}s, or use a"
    with pytest.raises(DataError, match=f"mine: {words}"):
        load_items(table(tmp_path, "path", f"x/1.{one}", f"y/2.{two}"), modality=other)
    with pytest.raises(DataError, match=words):
        load_items({"audio": "esc50", "image": "cifar10"}[modality], tmp_path, modality=other)


@WINGS
def test_labels_come_from_folders_only_when_asked(tmp_path: Path, modality: Kind, one: str, two: str):
    sounds(tmp_path, f"train/dog/1.{one}", f"train/cat/2.{two}")
    assert not load_items(tmp_path).has_labels
    assert load_items(tmp_path, labels_from_folders=True).label_list() == ["cat", "dog"]


@WINGS
def test_a_file_in_no_subfolder_has_no_label_to_take(tmp_path: Path, modality: Kind, one: str, two: str):
    sounds(tmp_path, f"dog/1.{one}", f"2.{two}")
    with pytest.raises(DataError, match=rf"2\.{two}: is in no subfolder"):
        load_items(tmp_path, labels_from_folders=True)


def test_a_link_in_a_circle_ends_and_a_link_to_elsewhere_is_followed(tmp_path: Path):
    sounds(tmp_path, "in/a.wav", "out/b.wav")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "out").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "loop.wav").symlink_to(tmp_path / "in" / "loop.wav")
    assert load_items(tmp_path / "in").column("path") == ["a.wav", "loop.wav", "out/b.wav"]


def test_an_empty_folder_says_which_files_were_looked_for(tmp_path: Path):
    sounds(tmp_path, "notes.txt")
    with pytest.raises(DataError, match=r"holds no sound file and no picture file; files .*\.flac.*\.wav.*\.png"):
        load_items(tmp_path)
    with pytest.raises(DataError, match=r"holds no sound file; files ending in .*\.flac.*\.mp3.*\.wav"):
        find_sounds(tmp_path)


@WINGS
def test_one_file_is_one_item(tmp_path: Path, modality: Kind, one: str, two: str):
    listing = list_items(sounds(tmp_path, f"a.{one}") / f"a.{one}")
    assert (listing.items.paths(), listing.manifest.modality) == ([tmp_path / f"a.{one}"], modality)


@WINGS
def test_a_folder_with_a_table_of_file_names_is_that_table(tmp_path: Path, modality: Kind, one: str, two: str):
    sounds(tmp_path, f"1.{one}", f"2.{two}")
    table(tmp_path, "file_name,label", f"2.{two},dog", name="metadata.csv")
    assert load_items(tmp_path).label_list() == ["dog"]
    assert list_items(tmp_path).manifest.modality == modality
    table(tmp_path, "recorder,battery", "A,5", name="metadata.csv")
    assert len(load_items(tmp_path)) == 2


# ---- tables


@pytest.mark.parametrize("column", ["path", "file", "filename", "file_name"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_csv_is_read_by_its_column_names(tmp_path: Path, column: str, mark: str):
    sounds(tmp_path, "x/1.wav", "x/2.wav")
    path = table(
        tmp_path,
        mark.join([column, "start_s", "end_s", "label", "split", "fold", "group", "comment", "text"]),
        mark.join(["x/1.wav", "0.5", "1.5", "dog", "train", "1", "g", "?", " a dog  barks_"]),
        mark.join(["./x/2.wav", "", "", "cat", "validation", "2", "", "?", ""]),
    )
    first, second = load_items(path).rows()
    assert first == ("x/1.wav@0.5-1.5", "x/1.wav", 0.5, 1.5, ["dog"], "train", 1, "g", "a dog barks_", ())
    assert second == ("x/2.wav", "x/2.wav", None, None, ["cat"], "valid", 2, None, None, ())


def test_a_root_of_its_own_several_labels_ids_bom_and_crlf(tmp_path: Path):
    sounds(tmp_path / "data", "1.wav")
    (tmp_path / "t.csv").write_bytes('\ufeffid,path,labels\r\ncafé,1.wav,"dog, barking"\r\n\r\n'.encode())
    (row,) = load_items(tmp_path / "t.csv", tmp_path / "data").rows()
    assert (row.id, row.labels) == ("café", ["dog", "barking"])


def test_segments_of_one_file_are_several_rows(tmp_path: Path):
    sounds(tmp_path, "1.wav")
    items = load_items(table(tmp_path, "path,start_s,end_s", "1.wav,0,1", "1.wav,1,2", "1.wav,2,"))
    assert items.column("id") == ["1.wav@0-1", "1.wav@1-2", "1.wav@2-"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../../etc/passwd,dog,train", r"mine.csv line 3: `../../etc/passwd` leaves the data folder"),
        ("x/../../a.wav,dog,train", r"line 3: `x/../../a.wav` leaves the data folder"),
        ("/etc/passwd,dog,train", r"line 3: `/etc/passwd` is not a relative path"),
        ("~/a.wav,dog,train", r"line 3: `~/a.wav` is not a relative path"),
        ("A.wav,dog,train", r"line 3: `A.wav` not found; nearest file `a.wav`"),
        ("x/c.wav,dog,train", r"line 3: `x/c.wav` not found; nearest file `x/b.wav`"),
        ("y/a.wav,dog,train", r"line 3: `y/a.wav` not found; there is no folder `y`"),
        ("a.wav,dog,train", r"line 3: `a.wav` is there twice, first in mine.csv line 2"),
        ("./a.wav,cat,test", r"line 3: `a.wav` is there twice"),
        ("x/b.wav,dog,trian", r"line 3: unknown split trian; did you mean train\?"),
        ("x/b.wav,dog,left", r"line 3: unknown split left; write one of: train, valid, test"),
        ("x/b.wav,,train", r"line 3: has no label in column label"),
        ("x/b.wav,  ,train", r"line 3: has no label"),
        (",dog,train", r"line 3: names no file"),
        ("out.wav,dog,train", r"line 3: `out.wav` is a link that leaves the data folder"),
        ("far/b.wav,dog,train", r"line 3: `far/b.wav` is behind a link that leaves the data folder"),
        ("x/b.wav,dog", r"line 3: has 2 fields where the header has 3"),
        ('"x/b.wav,dog,train', r"line 3: is not CSV"),
    ],
)
def test_f20_a_faulty_row_is_refused_with_its_line(tmp_path: Path, row: str, message: str):
    data = sounds(tmp_path / "data", "a.wav", "x/b.wav")
    sounds(tmp_path / "elsewhere", "b.wav")
    (data / "out.wav").symlink_to(tmp_path / "elsewhere" / "b.wav")
    (data / "far").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=message) as caught:
        load_items(table(data, "path,label,split", "a.wav,dog,train", row))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("abc,2", "abc is not a time"),
        ("-1,2", "-1 is not a time"),
        ("nan,2", "nan is not a time"),
        ("0,inf", "inf is not a time"),
        ("2,2", "ends at 2 s, which is not after its start"),
        ("2,1", "ends at 1 s"),
    ],
)
def test_f20_times_that_are_none_are_refused(tmp_path: Path, cells: str, message: str):
    sounds(tmp_path, "a.wav")
    with pytest.raises(DataError, match=f"line 2: {message}"):
        load_items(table(tmp_path, "path,start_s,end_s", f"a.wav,{cells}"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column path"),
        (b"\n", "has no column path"),
        (b"name,label\na.wav,dog\n", "line 1: has no column path"),
        (b"path,path\na.wav,a.wav\n", "line 1: has the column path twice"),
        (b"path,label\n", "lists nothing"),
        (b"path\na.wav\ncaf\xe9.wav\n", "is not UTF-8"),
        (b"path,fold\na.wav,one\n", "line 2: fold one is not a whole number"),
        (b"path,comment\na.wav," + b"x" * 200_000 + b"\n", "line 2: is not CSV"),
    ],
)
def test_f20_a_table_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str):
    sounds(tmp_path, "a.wav")
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_items(tmp_path / "t.csv")


def test_every_fault_is_told_at_once_and_many_are_counted(tmp_path: Path):
    sounds(tmp_path, "a.wav")
    path = table(tmp_path, "path", "a.wav", *(f"{i}.wav" for i in range(25)))
    with pytest.raises(DataError) as caught:
        load_items(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("mine.csv line 3: `0.wav` not found")
    assert "15 more" in lines[-1]
    listing = list_items(path)
    assert (len(listing.items), len(listing.problems)) == (1, 25)
    assert {problem.kind for problem in listing.problems} == {"missing"}


def test_many_missing_files_among_many_names_are_told_without_looking_for_each_ones_nearest(tmp_path: Path):
    sounds(tmp_path, *(f"recording_{i:05}.wav" for i in range(600)))
    path = table(tmp_path, "path", *(f"recording_{i:05}x.wav" for i in range(600)))
    start = time.process_time()
    told = [str(problem) for problem in list_items(path).problems]
    assert time.process_time() - start < 2.5
    assert [line.endswith("nearest file `recording_00000.wav`") for line in told[:1]] == [True]
    assert told[-1].endswith("`recording_00599x.wav` not found")


def test_the_line_of_a_row_counts_line_breaks_inside_names(tmp_path: Path):
    sounds(tmp_path, "a\nb.wav")
    with pytest.raises(DataError, match=r"line 4: `c\.wav` not found"):
        load_items(table(tmp_path, "path", '"a\nb.wav"', "c.wav"))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/\r"), min_size=1, max_size=40).filter(
    lambda name: name == name.strip() and name[0] not in ".~\\" and len(name.encode()) < 200
)


@settings(max_examples=60, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=5, unique=True), label=NAMES)
def test_any_unicode_name_written_to_a_csv_is_read_back(names: list[str], label: str):
    with tempfile.TemporaryDirectory() as folder:
        root = sounds(Path(folder), *(f"x/{name}.wav" for name in names))
        with (root / "t.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["path", "label"], *([f"x/{name}.wav", label] for name in names)])
        items = load_items(root / "t.csv")
        assert items.column("path") == [f"x/{name}.wav" for name in names]
        assert items.label_list() == [label] * len(names)
        assert all(path.exists() for path in items.paths())


def test_a_large_table_is_read_without_asking_for_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    names = [f"{i % 10}/{i}.wav" for i in range(2000)]
    sounds(tmp_path, *names)
    path = table(tmp_path, "path,label", *(f"{name},dog" for name in names))
    asked = []
    monkeypatch.setattr(os.path, "realpath", lambda path, real=os.path.realpath: asked.append(path) or real(path))
    start = time.process_time()
    assert len(load_items(path)) == 2000
    assert time.process_time() - start < 1.0  # 60 s per million would be 0.12
    assert len(asked) < 30
