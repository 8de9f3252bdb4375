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

from audiossl.data.manifest import list_items, load_items, load_manifest, shipped_manifests
from audiossl.data.splits import official_splits
from audiossl.data.walk import SOUND_SUFFIXES, find_sounds
from audiossl.errors import DataError, UsageError


def sounds(folder: Path, *names: str) -> Path:
    """Empty files: finding and listing never opens a sound."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def table(folder: Path, *lines: str, name: str = "mine.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


# ---- folders


def test_a_folder_is_every_sound_below_it_sorted_without_labels(tmp_path: Path):
    sounds(tmp_path, "b/2.FLAC", "a.wav", "b/1.mp3", "notes.txt", ".hidden.wav", ".git/x.wav", "b/._1.mp3")
    items = load_items(tmp_path)
    assert items.column("path") == ["a.wav", "b/1.mp3", "b/2.FLAC"]
    assert items.column("id") == items.column("path")
    assert not items.has_labels
    assert find_sounds(tmp_path) == items.paths()


@pytest.mark.parametrize("suffix", sorted(SOUND_SUFFIXES))
def test_every_suffix_is_found(tmp_path: Path, suffix: str):
    sounds(tmp_path, f"a{suffix}", f"b{suffix.upper()}")
    assert len(find_sounds(tmp_path)) == 2


def test_labels_come_from_folders_only_when_asked(tmp_path: Path):
    sounds(tmp_path, "train/dog/1.wav", "train/cat/2.wav")
    assert not load_items(tmp_path).has_labels
    assert load_items(tmp_path, labels_from_folders=True).label_list() == ["cat", "dog"]


def test_a_file_in_no_subfolder_has_no_label_to_take(tmp_path: Path):
    sounds(tmp_path, "dog/1.wav", "2.wav")
    with pytest.raises(DataError, match=r"2\.wav: is in no subfolder"):
        load_items(tmp_path, labels_from_folders=True)


def test_a_link_in_a_circle_ends_and_a_link_to_elsewhere_is_followed(tmp_path: Path):
    sounds(tmp_path, "in/a.wav", "out/b.wav")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "out").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "loop.wav").symlink_to(tmp_path / "in" / "loop.wav")
    assert load_items(tmp_path / "in").column("path") == ["a.wav", "loop.wav", "out/b.wav"]


def test_an_empty_folder_says_which_files_were_looked_for(tmp_path: Path):
    sounds(tmp_path, "notes.txt")
    with pytest.raises(DataError, match=r"holds no sound file; files ending in .*\.flac.*\.mp3.*\.wav"):
        load_items(tmp_path)


def test_one_sound_file_is_one_item(tmp_path: Path):
    items = load_items(sounds(tmp_path, "a.wav") / "a.wav")
    assert items.paths() == [tmp_path / "a.wav"]


def test_a_folder_with_a_table_of_file_names_is_that_table(tmp_path: Path):
    sounds(tmp_path, "1.wav", "2.wav")
    table(tmp_path, "file_name,label", "2.wav,dog", name="metadata.csv")
    assert load_items(tmp_path).label_list() == ["dog"]
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
    assert first == ("x/1.wav@0.5-1.5", "x/1.wav", 0.5, 1.5, ["dog"], "train", 1, "g", "a dog barks_")
    assert second == ("x/2.wav", "x/2.wav", None, None, ["cat"], "valid", 2, None, None)


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


# ---- manifests


ESC50 = ["filename,fold,target,category,esc10,src_file,take"]


def esc50(folder: Path, suffix: str) -> Path:
    rows = [
        f"{fold}-{10 * fold + c}-A-{c}.{suffix},{fold},{c},{label},{c == 0},{10 * fold + c},A"
        for fold in range(1, 6)
        for c, label in enumerate(["dog", "hen"])
    ]
    (folder / "meta").mkdir(parents=True)
    table(folder / "meta", *ESC50, *rows, name="esc50.csv")
    return sounds(folder, *(f"audio/{row.split(',')[0]}" for row in rows))


@pytest.mark.parametrize("suffix", ["wav", "ogg"])
def test_esc50_and_esc10_in_the_official_layout(tmp_path: Path, suffix: str):
    root = esc50(tmp_path / "ESC-50-master", suffix)
    items = load_items("esc50", root)
    assert (len(items), items.classes, items.folds()) == (10, ["dog", "hen"], [1, 2, 3, 4, 5])
    assert next(iter(items.rows())) == ("1-10-A", f"audio/1-10-A-0.{suffix}", None, None, ["dog"], None, 1, "10", "dog")
    assert load_items("esc10", root).classes == ["dog"]


def test_esc10_of_the_ogg_repository_is_the_same_split(tmp_path: Path):
    official = load_items("esc10", esc50(tmp_path / "official", "wav"))
    names = [f"001 - Dog bark/{fold}-{10 * fold}-A.ogg" for fold in range(1, 6)]
    ogg = load_items("esc10", sounds(tmp_path / "ogg", *names, "README.txt"))
    assert ogg.split_hash == official.split_hash
    assert ogg.label_list() == official.label_list()
    assert ogg.column("text") == official.column("text") == ["dog"] * 5


def test_a_text_is_made_of_columns_and_of_the_rows_own_labels(tmp_path: Path):
    sounds(tmp_path, "1.wav", "2.wav")
    table(tmp_path, "file,tags,where", "1.wav,crying_baby|dog,at_home", "2.wav,rain,", name="t.csv")
    head, _ = GOOD.split("items:")
    source = """items:
  - {from: csv, file: t.csv, path: "{file}", labels: {column: tags, sep: "|"}, text: {template: TEMPLATE, spaces: _}}
"""
    for template, texts in [
        ('"{labels}"', ["crying baby, dog", "rain"]),
        ('"the sound of {labels} {where}"', ["the sound of crying baby, dog at home", "the sound of rain"]),
        ('"{where}"', ["at home", None]),
    ]:
        (tmp_path / "m.yaml").write_text(head + source.replace("TEMPLATE", template))
        assert load_items(tmp_path / "m.yaml").column("text") == texts
    (tmp_path / "m.yaml").write_text(head + source.replace("TEMPLATE", '"{caption}"'))
    with pytest.raises(DataError, match="has no column caption"):
        load_items(tmp_path / "m.yaml")


def test_fsdnoisy18k_knows_its_noisy_and_clean_parts(tmp_path: Path):
    root = sounds(
        tmp_path, "FSDnoisy18k.audio_train/1.wav", "FSDnoisy18k.audio_train/2.wav", "FSDnoisy18k.audio_test/3.wav"
    )
    (root / "FSDnoisy18k.meta").mkdir()
    head = "fname,label,aso_id,manually_verified,noisy_small"
    table(root / "FSDnoisy18k.meta", head, "1.wav,Rain,/m,0,1", "2.wav,Rain,/m,1,0", name="train.csv")
    table(root / "FSDnoisy18k.meta", "fname,label,aso_id", "3.wav,Rain,/m", name="test.csv")
    items = load_items("fsdnoisy18k", root)
    assert items.column("split") == ["train_noisy", "train_clean", "test"]
    assert items.column("id")[2] == "FSDnoisy18k.audio_test/3.wav"
    table(root / "FSDnoisy18k.meta", head, "1.wav,Rain,/m,2,1", name="train.csv")
    with pytest.raises(DataError, match="line 2: unknown split 2"):
        load_items("fsdnoisy18k", root)


@pytest.mark.parametrize("name", ["esc50", "esc10", "fsdnoisy18k"])
def test_a_manifest_without_its_files_says_what_to_give_and_where_to_get_it(tmp_path: Path, name: str):
    for root in (None, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match=r"give --data PATH, the folder that holds `.*\(from https://"):
            load_items(name, root)


def test_synth_is_made_once_into_the_cache_or_the_given_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = []

    def few(folder: Path, n: int, seed: int) -> None:
        made.append((folder, n, seed))
        sounds(folder, "bell/1.wav")
        table(folder, "file_name,label,fold,group", "bell/1.wav,bell,1,g", name="metadata.csv")

    monkeypatch.setattr("audiossl.audio.synth.make_sounds", few)
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    assert load_items("synth").label_list() == ["bell"]
    assert load_items("synth").root == tmp_path / "cache" / "synth-1-0-240"
    assert made == [(tmp_path / "cache" / "synth-1-0-240", 240, 0)]
    assert load_items("synth", tmp_path / "here").root == tmp_path / "here"
    assert len(made) == 2


@pytest.mark.parametrize("name", shipped_manifests())
def test_every_shipped_manifest_is_valid_and_says_where_its_figures_come_from(name: str):
    manifest = load_manifest(name)
    assert manifest.name == name
    assert {"items", "classes"} <= {figure for one in manifest.confirmed for figure in one.figures}
    assert manifest.title
    assert manifest.license.dataset
    assert manifest.tasks
    assert all(part.md5 or part.sha256 for remote in manifest.remotes.values() for part in remote.parts)


GOOD = """schema: audiossl/manifest@1
name: mine
version: "1"
license: {dataset: CC0-1.0}
items:
  - {from: csv, file: t.csv, path: "{file}", labels: {column: label}}
"""


def test_a_manifest_of_ones_own_finds_its_files_beside_it(tmp_path: Path):
    sounds(tmp_path, "a.wav")
    table(tmp_path, "file,label", "a.wav,dog", name="t.csv")
    (tmp_path / "mine.yaml").write_text(GOOD)
    assert load_items(tmp_path / "mine.yaml").label_list() == ["dog"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version:", "versoin:", r"mine.yaml:3: versoin: unknown key; did you mean version\?"),
        ("file: t.csv", "file: ../t.csv", r"mine.yaml:6: .*leaves the data set's folder"),
        ("file: t.csv", "file: /t.csv", r"mine.yaml:6: .*leaves the data set's folder"),
        ("from: csv", "from: web", r"mine.yaml:6: "),
        ("audiossl/manifest@1", "audiossl/manifest@9", r"mine.yaml:1: schema: "),
        ("column: label", "column: lable", r"t.csv line 1: has no column lable"),
    ],
)
def test_a_faulty_manifest_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str):
    sounds(tmp_path, "a.wav")
    table(tmp_path, "file,label", "a.wav,dog", name="t.csv")
    (tmp_path / "mine.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(DataError, match=message):
        load_items(tmp_path / "mine.yaml")


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"esc5: there is no such data set, file or folder; did you mean esc50\?"):
        load_items("esc5")


def test_options_that_do_not_go_with_the_source_are_refused(tmp_path: Path):
    sounds(tmp_path, "a.wav")
    with pytest.raises(UsageError, match="leave --data out"):
        load_items(tmp_path, tmp_path)
    with pytest.raises(UsageError, match="leave --labels-from-folders out"):
        load_items(table(tmp_path, "path", "a.wav"), labels_from_folders=True)


@pytest.mark.shared
def test_the_real_esc50_and_both_layouts_of_the_real_esc10(shared: Path):
    esc50_items = load_items("esc50", shared / "data" / "esc50-16k")
    assert (len(esc50_items), len(esc50_items.classes)) == (2000, 50)
    assert [len(split.test) for split in official_splits(esc50_items)] == [400] * 5
    inside, alone = (load_items("esc10", shared / "data" / name) for name in ("esc50-16k", "esc10-44k"))
    assert inside.split_hash == alone.split_hash
    assert [len(split.test) for split in official_splits(alone)] == [80] * 5
