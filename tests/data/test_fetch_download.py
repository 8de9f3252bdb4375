"""One file from a server that cuts, changes, redirects, lies and fails: whole and verified, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path

import pytest

from audiossl.data import download as module
from audiossl.data.download import Patience, download
from audiossl.data.manifest_schema import Checksums
from audiossl.data.servers import size_of
from audiossl.errors import DataError, WriteError
from tests.data.web import Site, served

CONTENT = random.Random(0).randbytes(1_000_000)
OTHER = random.Random(1).randbytes(1_000_000)
PATIENCE = Patience(tries=3, pause_s=0.0, timeout_s=10.0)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served() as site:
        site.files["/a.zip"] = CONTENT
        yield site


def remote(site: Site, path="/a.zip", content: bytes | None = CONTENT, **more):
    sums = {} if content is None else {"md5": hashlib.md5(content).hexdigest(), "bytes": len(content)}
    return Checksums.model_validate({"url": site.address + path, **sums, **more})


def get(wanted, folder, **options):
    found = download(wanted, folder / "a.zip", patience=PATIENCE, **options)
    assert sorted(path.name for path in folder.iterdir()) == ["a.zip"], "nothing else may stay"
    return found


def test_a_file_is_fetched_and_its_checksums_are_told(site, tmp_path):
    found = get(remote(site, sha256=hashlib.sha256(CONTENT).hexdigest().upper()), tmp_path)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert found.bytes == len(CONTENT)
    assert found.proved
    assert set(found.digests) == {"md5", "sha256"}
    assert site.log == [("/a.zip", None)]


def test_without_a_checksum_a_file_is_not_proved(site, tmp_path):
    found = get(remote(site, content=None), tmp_path)
    assert not found.proved
    assert found.digests == {"sha256": hashlib.sha256(CONTENT).hexdigest()}


def test_a_file_that_is_there_is_verified_and_not_asked_for(site, tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT)
    assert get(remote(site), tmp_path).proved
    assert site.log == []


def test_a_file_that_is_there_and_is_another_is_left_alone(site, tmp_path):
    (tmp_path / "a.zip").write_bytes(OTHER)
    with pytest.raises(DataError, match=r"a\.zip: md5 is \w+, the manifest says \w+; remove it and run again"):
        get(remote(site), tmp_path)
    assert (tmp_path / "a.zip").read_bytes() == OTHER


def test_a_cut_connection_is_continued_with_the_missing_bytes_alone(site, tmp_path):
    site.cuts = [400_000, 300_000]
    assert get(remote(site), tmp_path).proved
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    (_, first), (_, second), (_, third) = site.log
    assert first is None
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in (second, third)]
    assert starts[0] == pytest.approx(400_000, abs=1 << 16)
    assert starts[1] == pytest.approx(700_000, abs=1 << 17)


def test_a_second_call_continues_where_the_first_one_gave_up(site, tmp_path):
    site.cuts = [500_000]
    site.fails = []
    with pytest.raises(DataError, match=r"503 .*\(3 tries\); [\d,]+ bytes are kept, the same command continues"):
        site_fails_after_the_first(site, tmp_path)
    kept = (tmp_path / "a.zip.part").stat().st_size
    assert 400_000 < kept <= 500_000
    site.log.clear()
    get(remote(site), tmp_path)
    assert site.log == [("/a.zip", f"bytes={kept}-")]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def site_fails_after_the_first(site, folder):
    """One cut answer, then 503 three times."""
    wanted, fails = remote(site), [503] * 3

    class Later(list):
        def __bool__(self):
            return len(site.log) > 1 and bool(fails)

        def pop(self, _):
            return fails.pop(0)

    site.fails = Later()
    download(wanted, folder / "a.zip", patience=PATIENCE)


def test_a_server_without_ranges_starts_over(site, tmp_path):
    site.ranges, site.cuts = False, [400_000]
    assert get(remote(site), tmp_path).proved
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert len(site.log) == 2


def test_a_server_that_always_cuts_at_the_same_place_ends_the_tries(site, tmp_path):
    site.ranges, site.cuts = False, [400_000] * 9
    with pytest.raises(DataError, match=r"the connection was cut.*\(3 tries\)"):
        get(remote(site), tmp_path)
    assert len(site.log) == 3


def test_a_file_that_changed_meanwhile_starts_over(site, tmp_path):
    site.cuts = [400_000]
    begin_and_give_up(site, tmp_path)
    site.files["/a.zip"] = OTHER
    assert get(remote(site, content=OTHER), tmp_path).proved
    assert site.log[-1][1] is not None, "it asked for the rest, and got the whole"
    assert (tmp_path / "a.zip").read_bytes() == OTHER


def test_a_changed_file_is_noticed_by_its_tag_where_the_server_does_not_look(site, tmp_path):
    site.cuts, site.heeds = [400_000], False
    begin_and_give_up(site, tmp_path)
    site.files["/a.zip"] = OTHER
    assert get(remote(site, content=None), tmp_path).digests == {"sha256": hashlib.sha256(OTHER).hexdigest()}


def test_a_changed_file_without_a_tag_is_noticed_by_its_checksum_and_fetched_anew(site, tmp_path):
    site.cuts, site.tags = [400_000], False
    begin_and_give_up(site, tmp_path)
    site.files["/a.zip"] = OTHER
    assert get(remote(site, content=OTHER), tmp_path).proved
    assert [asked is None for _, asked in site.log] == [True, False, True]


def begin_and_give_up(site, folder):
    """One cut answer, and no second try."""
    with pytest.raises(DataError, match="cut"):
        download(remote(site, content=None), folder / "a.zip", patience=Patience(tries=1, pause_s=0))
    assert (folder / "a.zip.part").stat().st_size > 300_000
    assert not (folder / "a.zip").exists()


def test_bytes_of_another_address_are_not_continued(site, tmp_path):
    site.cuts = [400_000]
    begin_and_give_up(site, tmp_path)
    site.files["/b.zip"] = OTHER
    get(remote(site, "/b.zip", OTHER), tmp_path)
    assert site.log[-1] == ("/b.zip", None)


def test_a_download_that_was_whole_but_not_yet_verified_is_not_fetched_again(site, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_verified", raising(KeyboardInterrupt))
        download(remote(site), tmp_path / "a.zip", patience=PATIENCE)
    site.log.clear()
    assert get(remote(site), tmp_path).proved
    assert site.log == []


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize("wrong", [{"md5": "0" * 32}, {"sha256": "0" * 64}])
def test_a_wrong_checksum_is_refused_and_the_file_removed(site, tmp_path, wrong):
    kind = next(iter(wrong))
    with pytest.raises(DataError, match=rf"{kind} is \w+, the manifest says 0+; it is damaged or has changed"):
        download(remote(site, **{"content": None, **wrong}), tmp_path / "a.zip", patience=PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_length_is_refused_before_the_download(site, tmp_path):
    with pytest.raises(DataError, match="is 1,000,000 bytes long, the manifest says 7"):
        download(remote(site, bytes=7), tmp_path / "a.zip", patience=PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_sends_more_than_the_manifest_says_is_stopped(site, tmp_path):
    site.lengths = False
    with pytest.raises(DataError, match="sends more than the 70,000 bytes"):
        download(remote(site, bytes=70_000), tmp_path / "a.zip", patience=PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_told_length_is_fetched(site, tmp_path):
    site.lengths = False
    assert get(remote(site), tmp_path).proved


def test_a_moving_file_may_differ_and_says_how(site, tmp_path):
    found = get(remote(site, md5="0" * 32, bytes=7), tmp_path, moving=True)
    assert not found.proved
    assert found.differs == [
        f"md5 is {hashlib.md5(CONTENT).hexdigest()}, the manifest says {'0' * 32}",
        "size in bytes is 1000000, the manifest says 7",
    ]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_answer_that_will_not_change_is_told_at_once(site, tmp_path, status):
    site.fails = [status] * 9
    with pytest.raises(DataError, match=rf"the server answers {status} \w+"):
        get(remote(site), tmp_path)
    assert len(site.log) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_answer_that_may_change_is_waited_for(site, tmp_path, status):
    site.fails = [status] * 2
    assert get(remote(site), tmp_path).proved
    assert len(site.log) == 3


def test_pauses_double_and_follow_what_the_server_asks(site, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    site.fails = [503] * 9
    with pytest.raises(DataError, match="4 tries"):
        download(remote(site), tmp_path / "a.zip", patience=Patience(tries=4, pause_s=1.0))
    assert pauses == [1.0, 2.0, 4.0]


def test_nobody_at_home_is_told(tmp_path):
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/a\.zip: cannot be reached \(.*refused.*\) \(3 tries\)"):
        download(Checksums(url="http://127.0.0.1:9/a.zip"), tmp_path / "a.zip", patience=PATIENCE)


def test_a_redirection_is_followed(site, tmp_path):
    site.sends["/old.zip"] = "/a.zip"
    assert get(remote(site, "/old.zip"), tmp_path).proved


def test_a_redirection_to_a_file_of_this_machine_is_not_followed(site, tmp_path):
    site.sends["/old.zip"] = "file:///etc/passwd"
    with pytest.raises(DataError, match="cannot be fetched"):
        download(remote(site, "/old.zip"), tmp_path / "a.zip", patience=PATIENCE)


def test_a_redirection_without_end_is_told(site, tmp_path):
    site.sends["/old.zip"] = "/old.zip"
    with pytest.raises(DataError, match=r"cannot be fetched \(.*redirect"):
        download(remote(site, "/old.zip"), tmp_path / "a.zip", patience=PATIENCE)


def test_a_name_in_the_answer_changes_nothing(site, tmp_path):
    site.headers["Content-Disposition"] = 'attachment; filename="../../evil"'
    get(remote(site), tmp_path / "inner")
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_bytes_are_kept_as_they_are_on_the_server(site, tmp_path):
    site.headers["Content-Encoding"] = "gzip"
    assert get(remote(site), tmp_path).proved
    assert site.asked[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "url", ["ftp://host/a", "/etc/passwd", "file://host/a", "file:a", "http:///a", "data:,x", "", "C:\\a"]
)
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(DataError, match="is no address of a file"):
        download(Checksums(url=url), tmp_path / "a.zip", patience=PATIENCE)


def test_a_file_of_this_disk_is_copied_and_continued(tmp_path):
    source = tmp_path / "source file.zip"
    source.write_bytes(CONTENT)
    folder = tmp_path / "out"
    wanted = Checksums(url=source.as_uri(), md5=hashlib.md5(CONTENT).hexdigest())
    folder.mkdir()
    facts = {"modified": str(source.stat().st_mtime_ns), "total": str(len(CONTENT))}
    (folder / "a.zip.part").write_bytes(b"x" + CONTENT[1:500_000])
    part = module._Part(folder / "a.zip")
    part._facts.write_text(module.json.dumps({"url": wanted.url, "version": facts}))
    assert get(wanted, folder).proved, "a first byte that is wrong is found, and all is copied anew"
    assert (folder / "a.zip").read_bytes() == CONTENT
    assert size_of(wanted.url, 1.0) == len(CONTENT)


def test_a_file_of_this_disk_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read \\(No such file"):
        download(Checksums(url=(tmp_path / "gone").as_uri()), tmp_path / "a.zip", patience=PATIENCE)


def test_an_empty_file_is_a_file(site, tmp_path):
    site.files["/a.zip"] = b""
    get(remote(site, content=None), tmp_path)
    assert (tmp_path / "a.zip").read_bytes() == b""


def test_a_full_disk_is_told_and_what_came_is_kept(site, tmp_path, monkeypatch):
    written = []
    open_ = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, piece):
            if sum(written) > 300_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written.append(len(piece))
            return self.file.write(piece)

    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "open", lambda self, mode="r", **k: (Full if mode == "ab" else lambda f: f)(open_(self, mode, **k))
        )
        with pytest.raises(WriteError, match="the disk is full; what has come so far is kept"):
            download(remote(site), tmp_path / "a.zip", patience=PATIENCE)
    assert (tmp_path / "a.zip.part").stat().st_size == sum(written)
    get(remote(site), tmp_path)
    assert site.log[-1] == ("/a.zip", f"bytes={sum(written)}-")


def test_the_size_is_asked_without_the_file(site):
    assert size_of(site.address + "/a.zip", 5.0) == len(CONTENT)
    site.lengths = False
    assert size_of(site.address + "/a.zip", 5.0) is None
    assert site.log == []
    with pytest.raises(DataError, match="404"):
        size_of(site.address + "/gone.zip", 5.0)
