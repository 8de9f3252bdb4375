"""The vocabulary of manifests: each word does what it says, and what does not fit is told in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile as sf

from audiossl.data.items import Items
from audiossl.data.manifest import list_items, load_items
from audiossl.errors import DataError, UsageError
from tests.data.made import sounds, table

HEAD = "schema: audiossl/manifest@1\nname: mine\nversion: '1'\nlicense: {dataset: CC0-1.0}\n"


def manifest(root: Path, *sources: str, more: str = "") -> Path:
    """`mine.yaml` of these sources."""
    path = root / "mine.yaml"
    path.write_text(HEAD + "items:\n" + "".join(f"  - {{{source}}}\n" for source in sources) + more)
    return path


def items(root: Path, *sources: str, more: str = "", task: str | None = None) -> Items:
    return load_items(manifest(root, *sources, more=more), task=task)


CSV = 'from: csv, file: t.csv, path: "{file}"'


# ---- values


@pytest.mark.parametrize(
    ("group", "wanted"),
    [
        ("all", ["all", "all"]),
        ('"{who}/{take}"', ["ann/1", "bob/2"]),
        ("{column: who}", ["ann", "bob"]),
        ("{column: file, part: '(.)\\.wav'}", ["a", "b"]),
        ("{column: who, map: {ann: A}, otherwise: others}", ["A", "others"]),
        ("{column: who, file: people.csv, key: name, field: town}", ["Oslo", "Rome"]),
        ("{column: who, file: people.json, field: town}", ["Paris", "7"]),
        ("{lists: {x: first.txt, y: second.txt}, key: '{who}'}", ["x", "y"]),
    ],
)
def test_a_value_is_a_template_a_column_a_join_or_a_list(tmp_path: Path, group: str, wanted: list[str]):
    sounds(tmp_path, "a.wav", "b.wav")
    table(tmp_path, "file,who,take", "a.wav,ann,1", "b.wav,bob,2", name="t.csv")
    table(tmp_path, "name,town", "bob,Rome", "ann,Oslo", name="people.csv")
    (tmp_path / "people.json").write_text(json.dumps({"ann": {"town": "Paris"}, "bob": {"town": 7, "tags": ["x"]}}))
    table(tmp_path, "ann", name="first.txt")
    table(tmp_path, "bob\tignored", "", name="second.txt")
    assert items(tmp_path, f"{CSV}, group: {group}").groups() == wanted


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("'{whom}'", r"t.csv line 1: has no column whom"),
        ("{column: file, part: '(x.*)'}", r"t.csv line 2: `a.wav` is not of the form \(x"),
        ("{column: who, map: {bob: B}}", r"t.csv line 2: who is ann; the manifest knows bob"),
        ("{column: who, file: people.csv, key: name, field: town}", r"t.csv line 2: ann is not in people.csv"),
        ("{column: who, file: people.csv, key: name, field: village}", r"people.csv line 1: has no column village"),
        ("{column: who, file: none.json, field: town}", r"none.json: cannot be read"),
        ("{lists: {x: none.txt}}", r"none.txt: cannot be read"),
        (
            "{lists: {x: first.txt, y: first.txt}}",
            r"first.txt line 1: `ann` is also in first.txt line 1; one of the two",
        ),
        ("{lists: {x: first.txt}, key: '{who}', part: '(b.*)'}", r"first.txt line 1: `ann` is not of the form"),
        ("{column: who, part: '.*'}", r"mine.yaml:6: .*exactly one group"),
        ("{column: who, part: '('}", r"mine.yaml:6: .*is not a regular expression"),
        ("{column: who, oterwise: x}", r"mine.yaml:6: .*oterwise: unknown key; did you mean otherwise\?"),
        ("{lists: {x: ../first.txt}}", r"mine.yaml:6: .*leaves the data set's folder"),
    ],
)
def test_a_value_that_cannot_be_told_is_a_fault_with_its_place(tmp_path: Path, group: str, message: str):
    sounds(tmp_path, "a.wav")
    table(tmp_path, "file,who", "a.wav,ann", name="t.csv")
    table(tmp_path, "name,town", "bob,Rome", name="people.csv")
    table(tmp_path, "ann", name="first.txt")
    with pytest.raises(DataError, match=message):
        items(tmp_path, f"{CSV}, group: {group}")


# ---- lists


def test_lists_name_splits_leave_out_and_lie_beside_the_manifest_where_the_set_has_none(tmp_path: Path):
    sounds(tmp_path / "data", *(f"{i}.wav" for i in range(5)))
    table(tmp_path, "name", "1.wav", name="valid.txt")
    table(tmp_path / "data", "name", "2.wav", name="test.txt")
    table(tmp_path, "name", "3.wav", name="bad.txt")
    lists = "lists: {valid: valid.txt, test: test.txt}, leave_out: bad.txt, header: true, otherwise: train"
    path = manifest(tmp_path, f"from: folder, split: {{{lists}}}")
    found = load_items(path, tmp_path / "data")
    assert found.column("path") == ["0.wav", "1.wav", "2.wav", "4.wav"]
    assert found.column("split") == ["train", "valid", "test", "train"]


def test_what_no_list_names_is_left_out_and_a_name_without_its_file_is_told(tmp_path: Path):
    sounds(tmp_path, "0.wav", "1.wav")
    table(tmp_path, "1.wav", "7.wav", name="test.txt")
    listing = list_items(manifest(tmp_path, "from: folder, split: {lists: {test: test.txt}}"))
    assert listing.items.column("path") == ["1.wav"]
    assert [(one.kind, str(one)) for one in listing.problems] == [
        ("missing", "test.txt line 2: `7.wav` not found; no file of that name is among the rows")
    ]


# ---- tables


def test_a_table_without_a_header_with_comments_and_spaces(tmp_path: Path):
    sounds(tmp_path, "a.wav", "b.wav")
    table(tmp_path, "# one", "# two", 'a, 1.0, "x,y"', "# three", "b, 2.0", name="t.csv")
    source = (
        'from: csv, file: t.csv, path: "{id}.wav", comment: "#", trim: true, '
        "columns: [[id, start, tags], [id, start]], start_s: {column: start}"
    )
    assert items(tmp_path, source).column("start_s") == [1.0, 2.0]
    with pytest.raises(DataError, match=r"t\.csv: the manifest names no column tags; it has id, start"):
        items(tmp_path, f'{source}, labels: {{column: tags, sep: ","}}')
    table(tmp_path, "# one", "a, 1.0", "", "b", name="t.csv")
    with pytest.raises(DataError, match=r"t\.csv line 4: has 1 fields where the manifest names 3 or 2"):
        items(tmp_path, source)


def test_the_first_path_and_suffix_that_is_there_is_taken(tmp_path: Path):
    sounds(tmp_path, "x/a.flac", "y/b.wav")
    table(tmp_path, "name", "a", "b", name="t.csv")
    source = 'from: csv, file: t.csv, path: ["x/{name}", "y/{name}"], suffixes: [.wav, .flac]'
    assert items(tmp_path, source).column("path") == ["x/a.flac", "y/b.wav"]
    table(tmp_path, "name", "c", name="t.csv")
    with pytest.raises(DataError, match=r"line 2: `x/c.wav` not found"):
        items(tmp_path, source)
    for nothing in (source.replace('["x/{name}", "y/{name}"]', "[]"), source.replace("[.wav, .flac]", "[]")):
        with pytest.raises(DataError, match=r"mine.yaml:6: .* should have at least 1 item"):
            items(tmp_path, nothing)
    with pytest.raises(DataError, match=r"line 2: `../c.wav` leaves the data folder"):
        items(tmp_path, source.replace('"y/', '"../'))


@pytest.mark.parametrize("kind", ["jsonl", "json_map"])
def test_json_lines_and_maps_are_tables(tmp_path: Path, kind: str):
    sounds(tmp_path, "a.wav", "b.wav")
    rows = [{"f": "a.wav", "k": 1, "l": ["x", "y"], "deep": {}}, {"f": "b.wav", "k": 2.5, "l": []}]
    of_lines = "\n\n".join(map(json.dumps, rows))
    (tmp_path / "t").write_text(of_lines if kind == "jsonl" else json.dumps({str(row["f"]): row for row in rows}))
    labels = 'labels: {column: l, sep: ",", may_be_empty: true}'
    found = items(tmp_path, f'from: {kind}, file: t, path: "{{f}}", group: "{{k}}", {labels}')
    assert (found.groups(), found.column("labels")) == (["1", "2.5"], [["x", "y"], []])
    if kind == "json_map":
        assert items(tmp_path, f'from: {kind}, file: t, path: "{{key}}"').column("path") == ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"f": "a.wav"}\n{"f": \n', r"t.jsonl line 2: is not JSON \("),
        ('{"f": "a.wav"}\n[1]\n', "t.jsonl line 2: is not a JSON object"),
        ('{"g": "a.wav"}\n', "t.jsonl line 1: has no f; it has g"),
        ('{"f": "../a.wav"}\n', "t.jsonl line 1: `../a.wav` leaves the data folder"),
        ("[" * 100_000, "t.jsonl line 1: is "),
    ],
)
def test_f20_faulty_json_is_told_with_its_line(tmp_path: Path, text: str, message: str):
    sounds(tmp_path, "a.wav")
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(DataError, match=message):
        items(tmp_path, 'from: jsonl, file: t.jsonl, path: "{f}"')


# ---- labels


def test_a_vocabulary_names_every_label_and_may_show_another(tmp_path: Path):
    sounds(tmp_path, "a.wav", "b.wav")
    table(tmp_path, "file,tags", 'a.wav,"/m/1;/m/2"', "b.wav,/m/2", name="t.csv")
    table(tmp_path, "0,Dog,/m/1", "1,Cat,/m/2", name="v.csv")
    vocabulary = "{file: v.csv, columns: [i, name, mid], key: mid, name: name}"
    source = f'{CSV}, labels: {{column: tags, sep: ";", vocabulary: {vocabulary}}}'
    assert items(tmp_path, source).column("labels") == [["Dog", "Cat"], ["Cat"]]
    table(tmp_path, "file,tags", "a.wav,/m/1", "b.wav,/m/3", name="t.csv")
    with pytest.raises(
        DataError, match=r"t.csv line 3: label /m/3 is not in the vocabulary of v.csv \(2 labels\); did"
    ):
        items(tmp_path, source)
    with pytest.raises(DataError, match=r"t.csv line 2: label /m/1 is not in the vocabulary of the manifest .*: x, y"):
        items(tmp_path, f"{CSV}, labels: {{column: tags, vocabulary: [x, y]}}")


def test_records_are_kept_and_excluded_by_their_columns(tmp_path: Path):
    sounds(tmp_path, *(f"{i}.wav" for i in range(4)))
    table(tmp_path, "file,kind,take", "0.wav,a,1", "1.wav,b,1", "2.wav,c,1", "3.wav,a,2", name="t.csv")
    exclude = 'exclude: [{of: "{kind}{take}", values: [a2], reason: damaged}]'
    assert items(tmp_path, f"{CSV}, only: {{kind: [a, b]}}, {exclude}").column("path") == ["0.wav", "1.wav"]
    assert items(tmp_path, f"{CSV}, only: {{kind: c}}").column("path") == ["2.wav"]


# ---- events and windows

EVENTS = "from: annotations, onset_s: {column: on}, offset_s: {column: off}, labels: {column: what}"


def test_rows_of_one_table_that_name_one_file_are_its_events(tmp_path: Path):
    sounds(tmp_path, "a.wav", "b.wav")
    table(tmp_path, "file,on,off,what", "b.wav,2,3,dog", "a.wav,0,1,cat", "b.wav,1,2.5,cat", name="t.csv")
    source = f'{EVENTS}, file: t.csv, delimiter: ",", path: "{{file}}"'
    first, second = items(tmp_path, source).rows()
    assert (first.path, first.labels, first.events) == ("b.wav", ["cat", "dog"], ((1.0, 2.5, "cat"), (2.0, 3.0, "dog")))
    assert (second.path, second.events) == ("a.wav", ((0.0, 1.0, "cat"),))
    table(tmp_path, "file,on,off,what", "a.wav,0,1,cat", "c.wav,0,1,cat", "a.wav,x,1,cat", "a.wav,1,,cat", name="t.csv")
    told = [str(one) for one in list_items(manifest(tmp_path, source)).problems]
    assert told[0] == "t.csv line 4: x is not a time in seconds"
    assert told[1].startswith("t.csv line 5: an event from 1.0 to None s; write its onset and, after it, its offset")
    assert told[2].startswith("t.csv line 3: `c.wav` not found")


def test_annotations_that_are_not_there_are_told(tmp_path: Path):
    sounds(tmp_path, "sound/a.wav")
    with pytest.raises(DataError, match=r"holds no `notes/\*.txt`, the annotations"):
        items(tmp_path, f'{EVENTS}, file: "notes/*.txt", columns: [on, off, what], path: "sound/{{stem}}.wav"')


def test_a_file_that_cannot_be_cut_into_windows_is_told(tmp_path: Path):
    sounds(tmp_path, "bad.wav")
    sf.write(tmp_path / "short.wav", [0.0] * 100, 8000)
    sf.write(tmp_path / "long.wav", [0.0] * 8000 * 3, 8000)
    listing = list_items(manifest(tmp_path, "from: folder, windows: {length_s: 1.5, hop_s: 0.75}"))
    assert [row[2:4] for row in listing.items.rows()] == [(0.0, 1.5), (0.75, 2.25), (1.5, 3.0)]
    assert [str(one).split(":")[0] for one in listing.problems] == ["bad.wav"]


# ---- tasks

TASKS = """tasks:
  kinds: {protocol: {by: group}, metrics: {primary: accuracy}}
  takes:
    sources: [one]
    labels: {column: take}
    only: {kind: a}
    group: all
    split: test
    target: multi
    protocol: {by: split, train: [train], valid: [valid], test: [test]}
    metrics: {primary: map_macro}
    expect: {items: 2}
  second: {sources: [two], metrics: {primary: accuracy}}
  other: {items: [{from: folder}], metrics: {primary: accuracy}}
  broken: {sources: [three], metrics: {primary: accuracy}}
expect: {items: 3}
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    sounds(tmp_path, *(f"{i}.wav" for i in range(5)))
    table(tmp_path, "file,kind,take", "0.wav,a,1", "1.wav,b,1", "2.wav,a,2", name="t.csv")
    table(tmp_path, "file", "3.wav", name="u.csv")
    first = f"name: one, {CSV}, labels: {{column: kind}}, group: '{{take}}'"
    second = 'name: two, from: csv, file: u.csv, path: "{file}", labels: c'
    return manifest(tmp_path, first, second, more=TASKS)


def test_the_first_task_is_meant_and_others_say_fields_otherwise(tasks: Path):
    default = list_items(tasks)
    assert default.items.column("labels") == [["a"], ["b"], ["a"], ["c"]]
    assert (default.items.name, default.items.design.by, default.expect.items) == ("mine", "group", 3)
    for source, task in ((f"{tasks}/takes", None), (tasks, "takes")):
        listing = list_items(source, task=task)
        found, design = listing.items, listing.items.design
        assert (found.name, found.column("path"), found.column("labels")) == (
            "mine/takes",
            ["0.wav", "2.wav"],
            [["1"], ["2"]],
        )
        assert (design.task, design.target, design.metric) == ("takes", "multi", "map_macro")
        assert (design.train, design.valid, design.test) == (("train",), ("valid",), ("test",))
        assert (set(found.groups()), set(found.column("split")), listing.expect.items) == ({"all"}, {"test"}, 2)


def test_a_task_chooses_sources_or_brings_its_own(tasks: Path):
    assert load_items(tasks, task="second").column("path") == ["3.wav"]
    assert load_items(tasks, task="other").column("path") == [f"{i}.wav" for i in range(5)]
    assert list_items(tasks, task="second").expect.items is None
    with pytest.raises(DataError, match="mine: the task broken names the source three, which is not there"):
        load_items(tasks, task="broken")


def test_an_unknown_task_is_refused_with_the_nearest(tasks: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"mine has no task take; did you mean takes\?"):
        load_items(f"{tasks}/take")
    with pytest.raises(UsageError, match=r"esc50 has no task zoo; write one of: esc50, esc10"):
        load_items("esc50/zoo")
    with pytest.raises(UsageError, match="has no task takes; leave the task out"):
        load_items(tmp_path, task="takes")


def test_a_folder_of_a_tasks_name_is_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(sounds(tmp_path, "esc50/esc10/a.wav"))
    assert load_items("esc50/esc10").column("path") == ["a.wav"]
