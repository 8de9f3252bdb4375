"""From a manifest to a folder that holds the whole set, or to no folder and a sentence (Show 4, first half)."""

from __future__ import annotations

import json
import shutil
import threading

import pytest

from audiossl.data import fetch as module
from audiossl.data.download import Patience
from audiossl.data.fetch import fetch
from audiossl.data.fetch_plan import RECORD, plan_fetch
from audiossl.data.manifest import load_items
from audiossl.errors import DataError, UsageError, WriteError
from tests.data.remote_sets import esc_like, esc_manifest, fsd_manifest, write, zipped
from tests.data.web import served

PATIENCE = Patience(tries=3, pause_s=0.0, timeout_s=10.0)

needs_zip = pytest.mark.skipif(shutil.which("zip") is None, reason="needs the tool `zip`")


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served() as site:
        yield site


@pytest.fixture
def out(tmp_path):
    """A folder of its own for what is fetched."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def get(manifest, folder, only=(), **options):
    return fetch(plan_fetch(str(manifest), folder, only), patience=PATIENCE, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_set_is_fetched_whole_and_only_its_folder_stays(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    fetched = get(manifest, out / "set")
    assert names(out) == ["set"]
    assert names(fetched.root) == [RECORD, "README.md", "audio", "meta"], "the folder around all is taken off"
    assert fetched.report.items == 8
    assert fetched.report.faults == []
    assert fetched.report.root == str(out / "set")
    assert len(load_items(manifest, out / "set")) == 8


def test_a_folder_is_not_taken_off_where_something_else_stands_beside_it(site, tmp_path, out):
    content = zipped({**esc_like(), "other/notes.txt": b"1"})
    manifest = esc_manifest(tmp_path, site, content)
    said = json.loads(manifest.read_text())
    manifest = write(tmp_path / "tiny.yaml", **{**said, "folder": "ESC-50-master"})
    fetched = get(manifest, out / "set")
    assert names(out / "set") == [RECORD, "ESC-50-master", "other"]
    assert fetched.root == out / "set/ESC-50-master"
    assert get(manifest, out / "set").root == fetched.root


def test_packed_pictures_are_files_of_the_set_that_is_fetched(site, tmp_path, out):
    packed = {f"bin/{name}.bin": bytes([0, *[9] * 48, 1, *[7] * 48]) for name in ("a", "b")}
    archive = zipped({**packed, "bin/names.txt": b"cat\nship\n"})
    said = json.loads(esc_manifest(tmp_path, site, archive).read_text())
    source = {"from": "packed_pictures", "folder": "bin", "parts": {"train": ["a.bin"], "test": ["b.bin"]}}
    source |= {"names": "names.txt", "side": 4, "labels": {"column": "label"}, "split": "{part}"}
    expect = {"items": 4, "classes": 2, "splits": {"train": 2, "test": 2}}
    manifest = write(tmp_path / "tiny.yaml", **{**said, "modality": "image", "items": [source], "expect": expect})
    fetched = get(manifest, out / "set")
    assert fetched.report.faults == []
    assert names(fetched.root / "bin") == ["a.bin", "b.bin", "names.txt", "pictures"]
    items = load_items(manifest, out / "set")
    assert items.column("path")[0] == "bin/pictures/test/cat/b_00000.png"
    assert all(path.is_file() for path in items.paths())


def test_a_task_of_a_manifest_is_of_the_same_files(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    task = {"metrics": {"primary": "accuracy"}}
    manifest = write(tmp_path / "tiny.yaml", **{**json.loads(manifest.read_text()), "tasks": {"easy": task}})
    assert plan_fetch(f"{manifest}/easy", out / "set").source == str(manifest)


def test_the_record_says_what_came_from_where(site, tmp_path, out):
    content = zipped(esc_like())
    get(esc_manifest(tmp_path, site, content), out / "set")
    record = json.loads((out / "set" / RECORD).read_text())
    assert (record["name"], record["version"], record["top"]) == ("tiny", "1.0", "ESC-50-master")
    (part,) = record["remotes"]["archive"]
    assert part["url"] == f"{site.address}/archive/master.zip"
    assert part["bytes"] == len(content)
    assert part["proved"]


def test_a_second_call_does_nothing(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    get(manifest, out / "set")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    site.log.clear()
    again = get(manifest, out / "set")
    assert (again.root, again.remotes, site.log) == (out / "set", [], [])
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_a_set_that_lost_files_since_is_told(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    get(manifest, out / "set")
    (out / "set/audio/1-0-A-0.wav").unlink()
    with pytest.raises(DataError, match=r"is no longer whole .*1-0-A-0\.wav.* remove it and run again"):
        get(manifest, out / "set")


def test_archives_are_kept_when_asked_for_and_used_again(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    get(manifest, out / "set", keep_archives=True)
    assert names(out) == ["set", "set-archives"]
    assert names(out / "set-archives") == ["master.zip"]
    shutil.rmtree(out / "set")
    site.log.clear()
    get(manifest, out / "set")
    assert (site.log, names(out)) == ([], ["set"])


@needs_zip
def test_a_set_of_a_split_zip_a_zip_and_a_file(site, tmp_path, out):
    manifest = fsd_manifest(tmp_path, site)
    fetched = get(manifest, out / "set")
    assert fetched.remotes == ["audio", "truth", "doc"]
    assert fetched.report.faults == []
    assert names(out / "set") == [RECORD, "audio", "doc", "truth"]
    assert (out / "set/doc/README.txt").read_bytes() == b"how it was made"
    assert len(site.log) == len({path for path, _ in site.log}) >= 5


@needs_zip
def test_a_part_of_a_set_first_and_the_rest_later(site, tmp_path, out):
    manifest = fsd_manifest(tmp_path, site)
    first = get(manifest, out / "set", only=["truth"])
    assert (first.remotes, first.report) == (["truth"], None)
    assert names(out / "set") == [RECORD, "truth"]
    plan = plan_fetch(str(manifest), out / "set", ["doc"])
    assert (plan.remotes, plan.missing) == (["doc"], ["audio"])
    site.log.clear()
    rest = get(manifest, out / "set")
    assert not any("truth" in path for path, _ in site.log)
    assert rest.remotes == ["audio", "doc"]
    assert rest.report.faults == []
    assert set(json.loads((out / "set" / RECORD).read_text())["remotes"]) == {"audio", "truth", "doc"}
    assert names(out) == ["set"]


def test_one_of_several_remotes_may_be_all_that_is_needed(site, tmp_path, out):
    said = json.loads(esc_manifest(tmp_path, site, zipped(esc_like())).read_text())
    large = {"parts": [{"url": f"{site.address}/gone.zip"}]}
    manifest = write(tmp_path / "tiny.yaml", **{**said, "remotes": {**said["remotes"], "large": large}})
    assert get(manifest, out / "set", only=["archive"]).report.items == 8


def test_lists_without_a_checksum_of_a_set_that_is_partly_the_users_own(site, tmp_path, out):
    site.files["/lists/eval.csv"] = b"fname,label\nmissing,dog\n"
    remotes = {"lists": {"kind": "file", "parts": [{"url": f"{site.address}/lists/eval.csv"}]}}
    items = [{"from": "csv", "file": "eval.csv", "path": "{fname}.wav", "labels": {"column": "label"}}]
    manifest = write(tmp_path / "m.yaml", name="m", availability="partial", remotes=remotes, items=items)
    fetched = get(manifest, out / "set")
    assert fetched.notes == ["lists: the manifest gives no checksum; nothing proves what came"]
    assert fetched.report is None
    assert names(out / "set") == [RECORD, "eval.csv"]
    assert get(manifest, out / "set").remotes == []


def test_a_moving_part_that_cannot_be_counted_is_not_accepted(site, tmp_path, out):
    site.files["/lists/eval.csv"] = b"fname,label\n"
    part = {"url": f"{site.address}/lists/eval.csv", "md5": "0" * 32}
    remotes = {"lists": {"kind": "file", "moving": True, "parts": [part]}}
    items = [{"from": "csv", "file": "eval.csv", "path": "{fname}.wav"}]
    manifest = write(tmp_path / "m.yaml", name="m", availability="partial", remotes=remotes, items=items)
    with pytest.raises(DataError, match=r"md5 is .*only a whole set can be counted"):
        get(manifest, out / "set")
    assert names(out) == []


def test_an_unknown_remote_is_told(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    with pytest.raises(UsageError, match="tiny has no remote sound; it has archive"):
        plan_fetch(str(manifest), out / "set", ["sound"])


def test_a_plan_writes_nothing_and_knows_sizes(site, tmp_path, out):
    content = zipped(esc_like())
    plan = plan_fetch(str(esc_manifest(tmp_path, site, content)), out / "set")
    assert plan.bytes == len(content)
    assert plan.free_bytes > 0
    assert (names(out), site.log) == ([], [])


def test_a_missing_file_is_told_before_anything_is_fetched(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    site.files.clear()
    with pytest.raises(DataError, match=r"master\.zip: the server answers 404"):
        plan_fetch(str(manifest), out / "set")


def test_a_wrong_checksum_leaves_nothing(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    site.files["/archive/master.zip"] = zipped(esc_like(6))
    with pytest.raises(DataError, match=r"md5 is .* it is damaged or has changed, and was removed"):
        get(manifest, out / "set")
    assert not (out / "set").exists()
    assert [path for path in out.rglob("*") if path.is_file() and path.name != "lock"] == []


@pytest.mark.parametrize("evil", ["../evil.wav", "/tmp/evil.wav", "ESC-50-master/../../evil.wav"])
def test_an_archive_that_wants_out_leaves_no_folder(site, tmp_path, out, evil):
    manifest = esc_manifest(tmp_path, site, zipped({**esc_like(), evil: b"evil"}))
    with pytest.raises(DataError, match="nothing was unpacked"):
        get(manifest, out / "set")
    assert not (out / "set").exists()
    assert not list(tmp_path.rglob("evil*"))


def test_a_bomb_leaves_no_folder(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped({**esc_like(), "zeros": bytes(80_000_000)}))
    with pytest.raises(DataError, match="which no data set does"):
        get(manifest, out / "set")
    assert not (out / "set").exists()


def test_entries_are_limited_by_the_items_of_the_manifest(site, tmp_path, out, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "unpack", lambda *_, limits, **__: seen.append(limits.entries) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        get(esc_manifest(tmp_path, site, zipped(esc_like())), out / "set")
    assert seen == [10_000 + 4 * 8]


def test_a_download_that_no_checksum_proves_is_removed_when_it_is_no_archive(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, b"<html>log in</html>", parts=[{"md5": None}])
    with pytest.raises(
        DataError, match="is a web page, not an archive; nothing was unpacked; the download was removed"
    ):
        get(manifest, out / "set")
    site.files["/archive/master.zip"] = zipped(esc_like())
    fetched = get(manifest, out / "set")
    assert fetched.notes == [
        "archive: the manifest gives no checksum; accepted, because everything that the manifest counts is there"
    ]


def test_a_moving_archive_is_accepted_when_the_counts_agree(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()), moving=True)
    site.files["/archive/master.zip"] = zipped({**esc_like(), "ESC-50-master/news.md": b"new"})
    (note,) = get(manifest, out / "set").notes
    assert "archive: md5 is " in note
    assert "accepted, because everything that the manifest counts is there" in note
    assert get(manifest, out / "set").remotes == []


def test_a_moving_archive_of_other_content_is_not_accepted(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()), moving=True)
    site.files["/archive/master.zip"] = zipped(esc_like(6))
    with pytest.raises(DataError, match=r"md5 is .*not what the manifest counts \(items: 8 expected, 6 found\)"):
        get(manifest, out / "set")
    assert names(out) == []
    site.files["/archive/master.zip"] = zipped(esc_like())
    assert get(manifest, out / "set").report.items == 8


def test_a_proved_set_that_counts_otherwise_is_there_and_the_report_says_so(site, tmp_path, out):
    fetched = get(esc_manifest(tmp_path, site, zipped(esc_like()), n=9), out / "set")
    assert fetched.report.faults == ["items: 9 expected, 8 found"]
    assert names(out) == ["set"]


@pytest.mark.parametrize("availability", ["registration", "gated", "local"])
def test_sets_that_no_program_can_fetch_say_where_they_are(tmp_path, out, availability):
    manifest = write(tmp_path / "m.yaml", name="vox", availability=availability, items=[{"from": "folder"}])
    with pytest.raises(
        DataError, match=r"get it yourself from https://example\.org, then use `--on vox --data FOLDER`"
    ):
        plan_fetch(str(manifest), out / "set")


def test_a_repository_is_for_git(tmp_path, out):
    remote = {"kind": "git", "ref": "26eb9aaf", "parts": [{"url": "https://example.org/x.git"}]}
    manifest = write(tmp_path / "m.yaml", name="fsdd", remotes={"repository": remote}, items=[{"from": "folder"}])
    with pytest.raises(DataError, match=r"`git clone https://example.org/x\.git FOLDER && git -C FOLDER checkout 26eb"):
        plan_fetch(str(manifest), out / "set")


def test_a_set_without_addresses_says_so(out):
    with pytest.raises(DataError, match="synth names no address"):
        plan_fetch("synth", out / "set")


def test_a_folder_that_holds_something_else_is_left_alone(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    (out / "set").mkdir()
    assert plan_fetch(str(manifest), out / "set").remotes == ["archive"], "an empty folder is fine"
    (out / "set/mine.txt").write_text("mine")
    with pytest.raises(DataError, match="was not fetched by audiossl; choose a new folder with --to"):
        plan_fetch(str(manifest), out / "set")


def test_a_folder_of_another_version_is_left_alone(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    get(manifest, out / "set")
    manifest.write_text(manifest.read_text().replace('"1.0"', '"2.0"'))
    with pytest.raises(DataError, match=r"holds tiny 1\.0, not tiny 2\.0"):
        plan_fetch(str(manifest), out / "set")


def test_too_little_room_is_told_before_the_download(site, tmp_path, out, monkeypatch):
    plan = plan_fetch(str(esc_manifest(tmp_path, site, zipped(esc_like()))), out / "set")
    monkeypatch.setattr(module, "free", lambda _: 1000)
    with pytest.raises(WriteError, match=r"[\d,]+ bytes are to come and 1,000 are free"):
        fetch(plan)
    assert (site.log, names(out)) == ([], [])


def test_the_names_of_downloads_cannot_leave_their_folder(site, tmp_path, out):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    places = []
    for end in ("%2e%2e%2f%2e%2e%2fevil", "..", "a%00b", "C:%5Cx", "", "?q=../../evil", "x" * 999, ".hidden"):
        manifest = write(tmp_path / "m.yaml", **facts(manifest, f"{site.address}/{end}"))
        site.files[f"/{end.partition('?')[0]}"] = b""
        places += [part.place for part in plan_fetch(str(manifest), out / "set").parts]
    manifest = write(tmp_path / "m.yaml", **facts(manifest, f"{site.address}/", name="../../evil"))
    places += [part.place for part in plan_fetch(str(manifest), out / "set").parts]
    assert {place.parent for place in places} == {out / "set-archives"}
    assert [place.name[:8] for place in places] == [
        *("evil", "download", "a_b", "x", "download", "download", "x" * 8, "hidden", "evil"),
    ]


def facts(manifest, url, **part):
    said = json.loads(manifest.read_text())
    return {**said, "remotes": {"archive": {"parts": [{"url": url, "bytes": 1, **part}]}}}


def test_files_of_the_same_name_do_not_meet(tmp_path, out):
    parts = [{"url": f"https://example.org/{part}/data.zip", "bytes": 1} for part in "ab"]
    remotes = {"x": {"parts": parts}, "../y": {"parts": [{"url": "https://example.org/other.zip", "bytes": 1}]}}
    manifest = write(tmp_path / "m.yaml", name="m", remotes=remotes, items=[{"from": "folder"}])
    plan = plan_fetch(str(manifest), out / "set")
    assert [part.place.name for part in plan.parts] == ["0.0.data.zip", "0.1.data.zip", "other.zip"]
    assert plan.tree("../y").parent == plan.staging


def test_a_file_is_there_under_its_own_name_whatever_its_download_was_called(site, tmp_path, out):
    site.files |= {"/a/list.csv": b"path\n1.wav\n", "/b/list.csv": b"other"}
    remotes = {
        name: {"kind": "file", "unpack_to": name, "parts": [{"url": f"{site.address}/{name}/list.csv"}]}
        for name in "ab"
    }
    items = [{"from": "csv", "file": "a/list.csv", "path": "{path}"}]
    manifest = write(tmp_path / "m.yaml", name="m", availability="partial", remotes=remotes, items=items)
    get(manifest, out / "set")
    assert (out / "set/a/list.csv").read_bytes() == b"path\n1.wav\n"
    assert (out / "set/b/list.csv").read_bytes() == b"other"


def test_two_archives_that_differ_in_a_file_are_refused(site, tmp_path, out):
    site.files |= {"/a.zip": zipped({"a.wav": b"1", "same": b"="}), "/b.zip": zipped({"a.wav": b"2", "same": b"="})}
    remotes = {name: {"parts": [{"url": f"{site.address}/{name}.zip"}]} for name in "ab"}
    manifest = write(tmp_path / "m.yaml", name="m", remotes=remotes, items=[{"from": "folder"}])
    with pytest.raises(DataError, match=r"a\.wav: is in two archives of this set, with different content"):
        get(manifest, out / "set")
    assert not (out / "set").exists()


def test_one_fetch_at_a_time_works_for_a_folder(site, tmp_path, out, monkeypatch):
    manifest = esc_manifest(tmp_path, site, zipped(esc_like()))
    inside, go_on = threading.Event(), threading.Event()
    bring = module._bring

    def slowly(*args):
        inside.set()
        go_on.wait(20)
        return bring(*args)

    monkeypatch.setattr(module, "_bring", slowly)
    plan = plan_fetch(str(manifest), out / "set")
    first = threading.Thread(target=lambda: fetch(plan, patience=PATIENCE))
    first.start()
    try:
        assert inside.wait(20)
        with pytest.raises(UsageError, match="another `audiossl data fetch` is at work there"):
            fetch(plan, patience=PATIENCE)
    finally:
        go_on.set()
        first.join()
    assert names(out) == ["set"]
