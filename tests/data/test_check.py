"""`audiossl data check` counts what is listed, there, broken and expected, and fails when something is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile as sf
from typer.testing import CliRunner, Result

from audiossl.audio import look as sounds
from audiossl.data.check import check
from audiossl.data.manifest import list_items, load_manifest, shipped_manifests
from audiossl.errors import DataError
from audiossl.image import look as pictures
from audiossl_cli.data import app
from tests.data.layouts import LAYOUTS
from tests.image.made import cut, png, save, scene, with_orientation

RATE = 16_000


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(frames)).astype(np.float32)


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Two good files and one of each fault."""
    root = tmp_path / "zoo"
    root.mkdir()
    sf.write(root / "a.wav", noise(16_000), RATE)
    sf.write(root / "b.flac", np.stack([noise(88_200, 1)] * 2, axis=1), 44_100)
    (root / "copy.wav").write_bytes((root / "a.wav").read_bytes())
    (root / "cut.wav").write_bytes((root / "a.wav").read_bytes()[:20_000])
    (root / "text.wav").write_text("no sound at all, only words. " * 5)
    sf.write(root / "silent.wav", np.zeros(8000), RATE)
    sf.write(root / "extra.wav", noise(100, 2), RATE)
    rows = ["a.wav,dog,1", "b.flac,cat,2", "copy.wav,dog,2", "cut.wav,dog,1", "text.wav,dog,1", "silent.wav,cat,1"]
    rows += ["A.wav,dog,1", "a.wav,dog,2", "../up.wav,dog,1"]
    (root / "zoo.csv").write_text("\n".join(["path,label,fold", *rows]) + "\n")
    return root


def test_every_count(zoo: Path):
    report = check(list_items(zoo / "zoo.csv"))
    assert (report.items, report.files) == (6, 5)
    assert report.missing == ["zoo.csv line 8: `A.wav` not found; nearest file `a.wav`"]
    assert [row.split(":")[0] for row in report.rows] == ["zoo.csv line 9", "zoo.csv line 10"]
    assert report.unlisted == ["extra.wav"]
    assert report.unreadable == [
        ("text.wav", "is not a sound file of a known format (wav, flac, ogg, opus, mp3, aiff, au, caf)")
    ]
    seen = report.seen
    assert isinstance(seen, sounds.Seen)
    assert (seen.short, report.duplicates) == (["cut.wav"], [["a.wav", "copy.wav"]])
    assert (seen.rates, seen.channels) == ({16_000: 4, 44_100: 1}, {1: 4, 2: 1})
    assert seen.formats == {"FLAC": 1, "WAV": 4}
    assert (report.classes, report.folds, report.splits) == ({"cat": 2, "dog": 4}, {1: 4, 2: 2}, {})
    assert seen.durations is not None
    assert (seen.durations.shortest_s, seen.durations.longest_s) == (0.5, 2.0)
    assert len(report.faults) == 4
    assert report.texts == 0
    assert (report.verified, seen.silent) == (False, [])


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Three good pictures and one of each fault and oddity."""
    root = tmp_path / "gallery"
    root.mkdir()
    save(root / "a.png", scene())
    save(root / "b.jpg", scene(300, 200), quality=95, exif=with_orientation(6))
    (root / "copy.png").write_bytes((root / "a.png").read_bytes())
    cut(save(root / "whole.jpg", scene(200, 300))).rename(root / "cut.jpg")
    (root / "whole.jpg").rename(root / "extra.jpg")
    (root / "text.png").write_text("no picture at all, only words. " * 5)
    save(root / "plain.png", np.full((20, 20), 70, np.uint8))
    save(root / "deep.png", np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    save(root / "print.jpg", PIL.Image.fromarray(scene()).convert("CMYK"))
    save(root / "palette.gif", PIL.Image.fromarray(scene()).convert("P"))
    save(root / "dot.png", scene(1, 1))
    frames = [PIL.Image.fromarray(np.roll(scene(), shift, 1)) for shift in (0, 9)]
    frames[0].save(root / "moving.webp", save_all=True, append_images=frames[1:])
    (root / "huge.png").write_bytes(png(20_000, 20_000))
    sf.write(root / "theme.wav", noise(100), RATE)
    names = sorted(path.name for path in root.iterdir() if path.name not in ("extra.jpg", "theme.wav"))
    (root / "gallery.csv").write_text("\n".join(["path,label", *(f"{name},{name[0]}" for name in names)]) + "\n")
    return root


def test_every_count_of_pictures(gallery: Path):
    report = check(list_items(gallery / "gallery.csv"))
    seen = report.seen
    assert isinstance(seen, pictures.Seen)
    assert (report.items, report.files, report.missing, report.unlisted) == (12, 10, [], ["extra.jpg"])
    assert report.others == {"sound": 1}
    assert [path for path, _ in report.unreadable] == ["huge.png", "text.png"]
    assert "more than the 120,000,000 pixels allowed" in report.unreadable[0][1]
    assert "is not a picture of a known format" in report.unreadable[1][1]
    assert report.duplicates == [["a.png", "copy.png"]]
    assert seen.modes == {"CMYK": 1, "I;16": 1, "L": 1, "P": 1, "RGB": 6}
    assert seen.formats == {"GIF": 1, "JPEG": 3, "PNG": 5, "WEBP": 1}
    assert (seen.turned, seen.animated, seen.tiny) == (["b.jpg"], ["moving.webp"], ["dot.png"])
    assert seen.widths == pictures.Extent(1, 44, 300)  # of the turned one, its width upright
    assert seen.heights == pictures.Extent(1, 30, 200)
    assert (report.verified, seen.plain) == (False, [])
    assert len(report.faults) == 2
    whole = check(list_items(gallery / "gallery.csv"), verify=True)
    assert [path for path, _ in whole.unreadable] == ["cut.jpg", "huge.png", "text.png"]
    assert whole.unreadable[0][1] == "is truncated"
    assert isinstance(whole.seen, pictures.Seen)
    assert whole.seen.plain == ["dot.png", "plain.png"]


def test_verify_finds_what_headers_hide(tmp_path: Path):
    sf.write(tmp_path / "silent.wav", np.zeros(8000), RATE)
    for name in ("cut.mp3", "cut.flac"):
        sf.write(tmp_path / name, noise(160_000), RATE)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    headers, report = (check(list_items(tmp_path), verify=verify) for verify in (False, True))
    assert isinstance(headers.seen, sounds.Seen) and isinstance(report.seen, sounds.Seen)
    assert (headers.unreadable, headers.seen.short, headers.seen.silent) == ([], [], [])
    assert [path for path, _ in report.unreadable] == ["cut.flac"]
    assert (report.seen.short, report.seen.silent) == (["cut.mp3"], ["silent.wav"])
    assert report.seen.durations is not None
    assert report.seen.durations.longest_s < 5  # what is there, not the 10 s that the header promises


def test_files_equal_in_size_and_start_are_compared_to_their_end(tmp_path: Path):
    samples = noise(80_000)
    for name, last in (("a.wav", 0.0), ("b.wav", 0.5), ("c.wav", 0.0)):
        samples[-1] = last
        sf.write(tmp_path / name, samples, RATE)
    assert check(list_items(tmp_path)).duplicates == [["a.wav", "c.wav"]]


def test_figures_that_the_manifest_expects_otherwise_are_faults(zoo: Path):
    (zoo / "zoo.yaml").write_text(
        "schema: audiossl/manifest@1\nname: zoo\nversion: '1'\nlicense: {dataset: CC0-1.0}\n"
        "items: [{from: csv, file: good.csv, path: '{path}', labels: {column: label}, fold: {column: fold}}]\n"
        "expect: {items: 3, classes: 2, folds: {1: 1, 2: 1}, texts: 2}\n"
    )
    rows = ["a.wav,dog,1", "b.flac,cat,2", "copy.wav,dog,2", "silent.wav,cat,1"]
    (zoo / "good.csv").write_text("\n".join(["path,label,fold", *rows]) + "\n")
    report = check(list_items(zoo / "zoo.yaml"))
    assert report.differing == [
        "items: 3 expected, 4 found",
        "texts: 2 expected, 0 found",
        "fold 1: 1 expected, 2 found",
        "fold 2: 1 expected, 2 found",
    ]
    assert report.faults == report.differing


def test_a_fold_that_lacks_a_class_and_a_group_in_two_folds_are_faults(zoo: Path):
    rows = ["a.wav,dog,1,g", "b.flac,cat,1,h", "copy.wav,dog,2,g", "silent.wav,dog,3,i"]
    (zoo / "zoo.csv").write_text("\n".join(["path,label,fold,group", *rows]) + "\n")
    report = check(list_items(zoo / "zoo.csv"))
    assert report.by_part == {"fold 1": {"cat": 1, "dog": 1}, "fold 2": {"dog": 1}, "fold 3": {"dog": 1}}
    assert (report.groups, report.crossing) == (3, 1)
    assert report.gaps[:2] == [
        "zoo: fold 2 has no item of cat, which other folds have",
        "zoo: fold 3 has no item of cat, which other folds have",
    ]
    assert "on both sides of a split: group g" in report.gaps[2]
    assert report.faults == report.gaps


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_prints_a_table_and_fails_on_faults(zoo: Path, monkeypatch: pytest.MonkeyPatch):
    result = run("check", zoo / "zoo.csv")
    assert isinstance(result.exception, DataError)
    assert "nearest file `a.wav`" in str(result.exception)
    assert "zoo: 4 faults" in str(result.exception)
    assert "extra.wav" in result.stdout
    (zoo / "zoo.csv").write_text("path,label,fold\na.wav,dog,1\n")
    good = run("check", zoo / "zoo.csv")
    assert (good.exit_code, good.exception) == (0, None)


def test_the_command_prints_json_with_everything(zoo: Path):
    told = json.loads(run("check", zoo / "zoo.csv", "--json").stdout)
    assert (told["items"], told["classes"], len(told["faults"])) == (6, {"cat": 2, "dog": 4}, 4)
    assert told["durations"]["longest_s"] == 2.0
    labelled = json.loads(run("check", zoo.parent, "--labels-from-folders", "--json").stdout)
    assert labelled["classes"] == {"zoo": 7}


def test_list_and_show_tell_the_shipped_manifests():
    told = json.loads(run("list", "--json").stdout)
    assert [one["name"] for one in told] == shipped_manifests()
    assert {one["availability"] for one in told} >= {"full", "partial", "registration", "gated"}
    table = run("list").stdout
    assert "CC-BY-NC-3.0" in table
    assert max(map(len, table.splitlines())) <= 100
    assert json.loads(run("show", "esc50", "--json").stdout)["expect"]["items"] == 2000


@pytest.mark.parametrize("name", shipped_manifests())
def test_show_tells_licence_counts_tasks_sizes_and_who_says_so(name: str):
    manifest = load_manifest(name)
    shown = run("show", name).stdout
    assert manifest.title in shown
    assert manifest.license.dataset in shown
    assert manifest.expect.items is None or f"{manifest.expect.items:,}" in shown
    for one in manifest.confirmed:
        assert one.by in shown
    for task in manifest.tasks.values():
        assert task.metrics.primary in shown
    for remote in manifest.remotes:
        assert f"  {remote}  " in shown


def test_show_tells_the_size_of_what_is_to_be_downloaded():
    assert "in all: 27.4 GB" in run("show", "tau2020_mobile_scenes").stdout
    assert "in all: git clone https://github.com/" in run("show", "fsdd").stdout


def test_the_command_tells_pictures_in_their_own_words(gallery: Path, tmp_path: Path):
    (gallery / "huge.png").unlink()
    (gallery / "text.png").unlink()
    (gallery / "cut.jpg").unlink()
    shown = re.sub(r"\s+", " ", run("check", gallery).stdout)
    for row in (
        "readable files 10 (headers; --verify decodes them)",
        "left alone 1 sound file ",
        "of one colour not looked at (--verify)",
        "turned by EXIF 1 b.jpg",
        "width 1 to 300 pixels, median 44",
        "modes CMYK (1), I;16 (1), L (1), P (1), RGB (6)",
    ):
        assert row in shown
    assert "sample rates" not in shown
    told = json.loads(run("check", gallery, "--verify", "--json").stdout)
    assert (told["heights"], told["formats"]["GIF"]) == ({"least": 1, "median": 30.0, "most": 200}, 1)
    assert told["plain"] == ["dot.png", "plain.png"]


def test_check_opens_the_pictures_of_a_manifest_and_counts_events_by_class(tmp_path: Path):
    LAYOUTS["imagenette"](tmp_path / "images")
    for path in (tmp_path / "images").rglob("*.JPEG"):
        save(path, scene())
    result = run("check", "imagenette", "--data", tmp_path / "images")
    assert "8 (headers; --verify decodes them)" in result.stdout
    assert "split train" in result.stdout
    assert "items: 13,394 expected, 8 found" in str(result.exception)
    LAYOUTS["tut2017_sound_events"](tmp_path / "street")
    told = json.loads(run("check", "tut2017_sound_events/evaluation", "--data", tmp_path / "street", "--json").stdout)
    assert told["events"] == {"car": 9, "children": 9}
    assert told["by_part"]["split test"] == {"car": 1, "children": 1}


@pytest.mark.shared
@pytest.mark.parametrize(("name", "folder"), [("esc50", "esc50-16k"), ("esc10", "esc50-16k"), ("esc10", "esc10-44k")])
def test_the_real_data_are_as_the_manifest_says(shared: Path, name: str, folder: str):
    report = check(list_items(name, shared / "data" / folder))
    assert report.faults == []
    assert report.duplicates == []
    assert isinstance(report.seen, sounds.Seen)
    assert set(report.seen.channels) == {1}
