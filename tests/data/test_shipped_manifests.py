"""Shipped manifests in each data set's own layout, and manifests of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl import files
from audiossl.data.check import differing
from audiossl.data.manifest import list_items, load_items, load_manifest, shipped_manifests
from audiossl.data.manifest_schema import Manifest
from audiossl.data.splits import official_splits
from audiossl.errors import DataError, UsageError
from audiossl.evaluation.metric_names import READINGS
from audiossl.recipe.yaml import read_yaml
from tests.data.made import sounds, table

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
    assert next(iter(items.rows()))[:9] == (
        "1-10-A",
        f"audio/1-10-A-0.{suffix}",
        None,
        None,
        ["dog"],
        None,
        1,
        "10",
        "dog",
    )
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


@pytest.mark.parametrize(("name", "n"), [("synth", 240), ("synth_images", 480)])
def test_what_audiossl_makes_is_made_once_into_the_cache_or_the_given_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, n: int
):
    made = []

    def few(folder: Path, n: int, make: object) -> None:
        made.append((folder, n))
        sounds(folder, "bell/1.wav")
        table(folder, "file_name,label,fold,group", "bell/1.wav,bell,1,g", name="metadata.csv")

    for wing in ("audio", "image"):
        monkeypatch.setattr(f"audiossl.{wing}.synth.write_set", few)
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    assert load_items(name).label_list() == ["bell"]
    assert load_items(name).root == tmp_path / "cache" / f"{name}-1-0-{n}"
    assert made == [(tmp_path / "cache" / f"{name}-1-0-{n}", n)]
    assert load_items(name, tmp_path / "here").root == tmp_path / "here"
    assert len(made) == 2


@pytest.mark.parametrize(("name", "suffix"), [("synth", ".wav"), ("synth_images", ".png")])
def test_each_wing_makes_its_own_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, suffix: str):
    manifest = load_manifest(name)
    (tmp_path / "few.yaml").write_text(
        f"schema: audiossl/manifest@1\nname: few\nversion: '1'\nmodality: {manifest.modality}\n"
        "license: {dataset: CC0-1.0}\nitems: [{from: synth, n: 24, labels: {column: label}, fold: {column: fold}}]\n"
        "expect: {items: 24, classes: 12, folds: {1: 24}}\n"
    )
    listing = list_items(tmp_path / "few.yaml", tmp_path / "made")
    assert {path.suffix for path in listing.items.paths()} == {suffix}
    assert list(differing(listing)) == []


@pytest.mark.parametrize("name", shipped_manifests())
def test_every_shipped_manifest_says_who_may_use_it_and_where_its_figures_come_from(name: str):
    manifest = load_manifest(name)
    assert manifest.name == name
    assert manifest.title
    assert manifest.license.dataset
    assert manifest.license.commercial != "unknown" or manifest.license.notes
    assert manifest.homepage or name.startswith("synth")
    assert manifest.citation or name.startswith("synth")
    assert manifest.confirmed
    sources = {figure for one in manifest.confirmed for figure in one.figures}
    for figure in expected_figures(manifest):
        parts = figure.split(".")
        named = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
        assert named & sources, f"nobody is named for {figure}"
    if any(part.md5 or part.sha256 or part.bytes for remote in manifest.remotes.values() for part in remote.parts):
        assert any(figure.split(".")[0] == "remotes" for figure in sources)


def expected_figures(manifest: Manifest) -> list[str]:
    """`items`, `splits.test`, `tasks.esc10.expect.items`, ..."""
    told = [("", manifest.expect)]
    told += [(f"tasks.{name}.expect.", task.expect) for name, task in manifest.tasks.items() if task.expect]
    figures = []
    for where, expect in told:
        for figure, value in expect.model_dump(exclude_none=True, exclude_defaults=True).items():
            figures += [f"{where}{figure}.{part}" for part in value] if isinstance(value, dict) else [where + figure]
    return figures


@pytest.mark.parametrize("name", shipped_manifests())
def test_every_task_scores_by_known_metrics_of_its_target(name: str):
    of_target = {
        "single": {"accuracy", "macro_accuracy"},
        "multi": {"map_macro", "map_micro", "auc_macro", "dprime_macro", "lwlrap"},
        "events": {"onset_f1", "segment_f1", "segment_error_rate"},
    }
    assert set().union(*of_target.values()) <= set(READINGS)
    manifest = load_manifest(name)
    assert manifest.tasks
    for task in manifest.tasks.values():
        assert {task.metrics.primary, *task.metrics.others} <= of_target[task.target]
        assert {*(task.protocol.train or ()), *task.protocol.valid} <= set(manifest.splits)
        assert set(task.protocol.test) <= set(manifest.splits) or task.protocol.by != "split"


@pytest.mark.shared
def test_every_confirmed_address_and_checksum_is_in_a_manifest(shared: Path):
    known = read_yaml(shared / "reference" / "datasets_remotes.yaml", error=DataError).value
    text = "".join(path.read_text(encoding="utf-8") for path in files.shipped("data_manifests").glob("*.yaml"))
    elsewhere = {"tau2019_urban_scenes_eval"}  # its labels are not public
    for name, one in known.items():
        for remote in () if name in elsewhere else one.get("remotes", ()):
            sums = [str(remote[key]) for key in ("md5", "sha256", "bytes") if key in remote]
            wanted = [*sums, *([] if sums else [remote["url"]])]
            if "wabrlrb10k_test" not in remote["url"]:  # nor are these
                assert [one for one in wanted if one not in text] == [], remote["url"]
    placeholder = "2f4e7e194ccbd3de86e997af8f2a0405"
    assert placeholder not in text


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


def test_a_folder_of_something_else_says_what_is_looked_for(tmp_path: Path):
    sounds(tmp_path, "a.wav")
    with pytest.raises(
        DataError, match=r"is not fsdd, no file has the form .*<digit>.*; give --data PATH, the folder th"
    ):
        load_items("fsdd", tmp_path)
    with pytest.raises(
        DataError, match=r"fsdnoisy18k.*holds `FSDnoisy18k.meta/train.csv` and `FSDnoisy18k.meta/test.csv`"
    ):
        load_items("fsdnoisy18k", tmp_path)
    with pytest.raises(DataError, match=r"esc5: there is no such manifest; did you mean esc50\?"):
        load_manifest("esc5")


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
