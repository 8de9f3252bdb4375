"""Every shipped manifest counts a tiny made-up tree in its set's exact layout, and parts it as its protocol says."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from audiossl.data.check import check, differing
from audiossl.data.manifest import list_items, load_items, load_manifest, shipped_manifests
from audiossl.data.manifest_schema import Expect
from audiossl.data.splits import made_splits, official_splits, target_of
from audiossl.errors import DataError
from tests.data.layouts import LAYOUTS
from tests.data.made import sounds, table


def test_every_shipped_manifest_has_a_layout():
    assert sorted(LAYOUTS) == [name for name in shipped_manifests() if not name.startswith("synth")]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_index_of_every_task_counts_what_is_there(tmp_path: Path, name: str):
    wanted = LAYOUTS[name](tmp_path)
    manifest = load_manifest(name)
    assert list(wanted) == list(manifest.tasks)
    for task, (expect, rounds) in wanted.items():
        listing = list_items(f"{name}/{task}", tmp_path)
        assert listing.problems == []
        said = listing.expect.model_dump(exclude_none=True, exclude_defaults=True)
        expected = Expect.model_validate({**expect, "crossing_groups": listing.expect.crossing_groups})
        assert list(differing(replace(listing, expect=expected))) == []
        assert set(said) <= {*expect, "crossing_groups"}, "a figure that the manifest expects is not counted here"
        items, design = listing.items, manifest.tasks[task]
        assert (items.design.task, target_of(items)) == (task, design.target)
        if rounds:
            splits = official_splits(items)
            sizes = [(len(one.train), 0 if one.valid is None else len(one.valid), len(one.test)) for one in splits]
            assert sizes == rounds
        elif len(items) > 3:
            assert len(made_splits(items, 2, seed=0)) == 2


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_wrong_figure_is_told(tmp_path: Path, name: str):
    LAYOUTS[name](tmp_path)
    listing = list_items(name, tmp_path)
    n = len(listing.items) + len(listing.left_out)
    assert list(differing(replace(listing, expect=Expect(items=n + 1)))) == [f"items: {n + 1:,} expected, {n:,} found"]


def test_rows_of_a_partial_copy_are_left_out_and_counted(tmp_path: Path):
    LAYOUTS["audioset"](tmp_path)
    listing = list_items("audioset", tmp_path)
    assert listing.left_out.column("id") == ["-b_3_90.000"]
    assert listing.items.left_out == 1
    assert listing.items.column("path")[:3] == [
        "balanced_train_segments/-b_0.wav",
        "balanced_train_segments/Y-b_1.flac",
        "balanced_train_segments/-b_2_60.000.mp3",
    ]
    assert listing.items.column("labels")[:2] == [["Bark, dog"], ["Bark, dog", "Rain"]]
    (tmp_path / "eval_segments" / "-e_1.wav").unlink()
    assert load_items("audioset", tmp_path).split_hash != listing.items.split_hash


def test_nothing_of_a_partial_copy_is_a_fault(tmp_path: Path):
    LAYOUTS["audioset"](tmp_path)
    (tmp_path / "unbalanced_train_segments" / "-u_3.ogg").unlink()
    with pytest.raises(DataError, match=r"audioset/unbalanced lists 5 files, and none is there; the first is `unbal"):
        load_items("audioset/unbalanced", tmp_path)


def test_events_are_in_order_and_a_recording_without_any_is_an_item(tmp_path: Path):
    LAYOUTS["dcase2016_task2"](tmp_path)
    first = next(iter(load_items("dcase2016_task2", tmp_path).rows()))
    assert first.events == ((0.5, 1.0, "keys"), (2.5, 3.25, "cough"), (60.0, 61.5, "cough"))
    assert first.labels == ["cough", "keys"]
    LAYOUTS["tut2017_sound_events"](tmp_path)
    items = load_items("tut2017_sound_events/evaluation", tmp_path)
    assert [len(row) for row in items.events()] == [2] * 9 + [0]


def test_windows_of_the_background_noise_are_silence(tmp_path: Path):
    LAYOUTS["speech_commands"](tmp_path)
    noise = [row for row in load_items("speech_commands/v2_12", tmp_path).rows() if "noise" in row.path]
    assert [(row.start_s, row.end_s) for row in noise] == [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)]
    assert {tuple(row.labels) for row in noise} == {("_silence_",)}


def cifar_binary(root: Path) -> Path:
    """The six files of the official archive, two pictures of classes 3 and 8 in each."""
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    for k, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        (folder / f"{name}.bin").write_bytes(b"".join(bytes([label]) + bytes([k]) * 3072 for label in (3, 8)))
    return folder


def test_the_official_binary_archive_of_cifar10_is_the_set_and_written_out_once(tmp_path: Path):
    folder = cifar_binary(tmp_path)
    listing = list_items("cifar10", tmp_path)
    expect = Expect(items=12, classes=2, splits={"train": 10, "test": 2})
    assert list(differing(replace(listing, expect=expect))) == []
    assert listing.problems == []
    first = next(iter(listing.items.rows()))
    assert (first.path, first.labels, first.split) == (
        "cifar-10-batches-bin/pictures/test/cat/test_batch_00000.png",
        ["cat"],
        "test",
    )
    assert check(listing).seen.described() == {"mode": "RGB", "format": "png", "width": [32, 32], "height": [32, 32]}
    (folder / "test_batch.bin").unlink()
    assert load_items("cifar10", tmp_path).split_hash == listing.items.split_hash
    (folder / "pictures").rename(folder / "elsewhere")
    with pytest.raises(DataError, match=r"test_batch.bin: cannot be read .*; unpack the whole archive"):
        load_items("cifar10", tmp_path)


def test_the_pickles_of_cifar10_are_not_opened_and_the_way_out_is_told(tmp_path: Path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(DataError, match=r"pickles, which may run any program .*cifar-10-binary.tar.gz"):
        load_items("cifar10", tmp_path)
    with pytest.raises(DataError, match=r"is not cifar10; give .* that holds `cifar-10-batches-bin` or `train`"):
        load_items("cifar10", tmp_path / "cifar-10-batches-py")


@pytest.mark.parametrize("name", ["imagenette", "imagewang"])
def test_every_size_of_a_set_is_the_same_split(tmp_path: Path, name: str):
    LAYOUTS[name](tmp_path / "all")
    tree = next((tmp_path / "all").iterdir())
    stem = tree.name.partition("-")[0]
    hashes = set()
    for size in (stem, f"{stem}-160", f"{stem}-320"):
        shutil.copytree(tree, tmp_path / f"only {size}" / size)
        items = load_items(name, tmp_path / f"only {size}")
        hashes.add(items.split_hash)
        assert items.column("path")[0].startswith(f"{size}/train/n01440764/")
        assert items.column("id")[0].startswith("train/n01440764/")
    assert len(hashes) == 1
    with pytest.raises(DataError, match=f"is not {name}"):
        load_items(name, tree)


def test_no_label_of_imagewangs_unlabelled_part_is_read_even_where_its_folders_tell(tmp_path: Path):
    LAYOUTS["imagewang"](tmp_path)
    sounds(tmp_path / "imagewang-160", "unsup/n02086240/n02086240_10.JPEG")
    items = load_items("imagewang/everything", tmp_path)
    unsup = items.where(splits=["unsup"])
    assert len(unsup) == 3
    assert not unsup.has_labels
    assert load_items("imagewang", tmp_path).splits() == ["test", "train"]
    (split,) = official_splits(items)
    assert {items.column("split")[row] for row in split.train} == {"train"}
    assert load_manifest("imagewang").tasks["dogs"].protocol.runs == 5


def test_a_data_folder_may_be_the_archives_own_or_the_one_above(tmp_path: Path):
    LAYOUTS["urbansound8k"](tmp_path)
    above, own = (load_items("urbansound8k", root) for root in (tmp_path, tmp_path / "UrbanSound8K"))
    assert above.root == own.root
    assert above.fingerprint == own.fingerprint


@pytest.mark.parametrize(
    ("name", "file", "row", "message"),
    [
        ("fsd50k", "FSD50K.ground_truth/eval.csv", "90,Drain,/m/9", "eval.csv line 2: label Drain .*did you mean Rain"),
        (
            "audioset",
            "eval_segments.csv",
            '-e_0, 0.0, 9.0, "/m/z"',
            r"segments.csv line 2: label /m/z is not in the voc",
        ),
        ("cremad", "cremad.csv", "1001_IEO_ANG_XX.wav,JOY,1001,test", "cremad.csv line 2: label JOY .*ANG, DIS, FEA"),
        ("voxceleb1", "iden_split.txt", "4 id10001/vid1/00001.wav", "iden_split.txt line 2: unknown split 4"),
        ("speech_commands", "testing_list.txt", "bed/9z_nohash_0.wav", "list.txt line 2: `bed/9z_nohash_0.wav` not"),
        (
            "speech_commands",
            "validation_list.txt",
            "bed/2c_nohash_0.wav",
            "validation_list.txt line 2|testing_list.txt",
        ),
        ("nsynth", "nsynth-test/examples.json", "{", r"examples.json line \d: is not JSON"),
        (
            "tut2017_sound_events",
            "TUT-sound-events-2017-development/meta/street/a001.ann",
            "3.0\t2.0\tcar",
            "a001.ann line 2: an event from 3.0 to 2.0 s",
        ),
        (
            "tut2017_sound_events",
            "TUT-sound-events-2017-development/meta/street/a001.ann",
            "3.0\t4.0\tcat",
            "a001.ann line 2: label cat .*did you mean car",
        ),
    ],
)
def test_f20_what_a_set_cannot_say_is_told_with_its_line(tmp_path: Path, name: str, file: str, row: str, message: str):
    LAYOUTS[name](tmp_path)
    path = tmp_path / file
    table(path.parent, path.read_text().splitlines()[0], row, name=path.name)
    with pytest.raises(DataError, match=message):
        load_items(name, tmp_path)
