"""Fetching, listing and asking: from a web server and from memory, and every way in which that fails."""

from __future__ import annotations

import re
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from audiossl.data.walk import SUFFIXES
from audiossl.errors import AudioError, DataError, MediaError, UsageError, WriteError
from audiossl.places.connect import connect
from audiossl.places.fetch import at_hand
from audiossl.places.folder import Remote, place_of
from audiossl.places.listing import find, states


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_sound_is_at_hand_while_it_is_read_and_its_copy_is_gone_afterwards(web, memory, tmp_path):
    web.files["/a.wav"] = content = bytes(range(256)) * 100
    memory.pipe("/x/a.wav", content)
    for url in (f"{web.url}/a.wav?token=1", "memory://x/a.wav"):
        with at_hand(url) as path:
            assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]
        assert not list(tmp_path.iterdir())
    (tmp_path / "b.wav").write_bytes(content)
    with at_hand((tmp_path / "b.wav").as_uri()) as path:
        assert path == tmp_path / "b.wav"
    assert path.exists()


def test_what_is_wrong_inside_is_told_of_the_url_without_its_secrets(web):
    web.files["/a.wav"] = b"no sound"
    url = web.url.replace("http://", "http://me:SECRET@")
    with pytest.raises(AudioError) as caught, at_hand(f"{url}/a.wav?SECRET") as path:
        raise AudioError(path, "is odd", 1.5)
    assert str(caught.value) == f"{web.url}/a.wav: is odd at 1.500 s"


def test_what_is_not_there_is_asked_for_once_and_what_may_pass_three_times(web):
    web.files["/busy.wav"] = web.files["/cut.wav"] = b"0123456789" * 1000
    web.busy["/busy.wav"] = 2
    web.cut.add("/cut.wav")
    with at_hand(f"{web.url}/busy.wav") as path:
        assert path.stat().st_size == 10_000
    for name, cause in {"gone": "does not exist", "cut": "is cut"}.items():
        with pytest.raises(MediaError, match=cause), at_hand(f"{web.url}/{name}.wav?SECRET"):
            pass
    assert web.asked == {"/busy.wav": 3, "/gone.wav": 1, "/cut.wav": 3}
    web.busy["/busy.wav"] = 9
    with pytest.raises(MediaError, match=r"busy\.wav: cannot be reached \(the server answered 503 "):
        at_hand(f"{web.url}/busy.wav").__enter__()


def test_a_refused_connection_names_the_address_and_no_secret(web):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(MediaError) as caught, at_hand(f"http://me:SECRET@127.0.0.1:{port}/a.wav?SECRET"):
        pass
    told = str(caught.value)
    assert told.startswith(f"http://127.0.0.1:{port}/a.wav: cannot be reached") and "SECRET" not in told


def test_a_server_that_falls_silent_is_left(web, monkeypatch):
    monkeypatch.setattr("audiossl.places.connect.SILENT_S", 0.2)
    monkeypatch.setattr("audiossl.places.connect.PAUSES_S", ())
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with (
            pytest.raises(MediaError, match=r"no answer within 0.2 s"),
            at_hand(f"http://127.0.0.1:{silent.getsockname()[1]}/a.wav"),
        ):
            pass


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s4://b/a.wav", r"s4:// is no protocol that fsspec knows; write s3://"),
        ("zip://a.wav::https://h/SECRET.zip", r"URLs within URLs"),
    ],
)
def test_urls_that_nobody_can_open_are_usage_errors(url, told):
    with pytest.raises(UsageError, match=told):
        connect(url)


def test_a_missing_package_is_answered_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UsageError, match=re.escape("s3://b/a.wav: s3fs is not installed; run: pip install s3fs")):
        connect("s3://key:SECRET@b/a.wav")


def test_folders_and_patterns_are_found_by_suffix_and_in_the_users_own_words(memory):
    for name in ("a.wav", "deep/er/b.FLAC", "deep/c.txt", ".hidden/d.wav", "deep/.e.wav"):
        memory.pipe(f"/box/{name}", b"x")
    assert find("memory://box/", SUFFIXES["audio"]) == ["memory://box/a.wav", "memory://box/deep/er/b.FLAC"]
    assert find("memory://box/*.wav", SUFFIXES["audio"]) == ["memory://box/a.wav"]
    assert find("memory://box/d*", SUFFIXES["audio"]) == ["memory://box/deep/er/b.FLAC"]
    assert find("memory://", SUFFIXES["audio"])[0] == "memory://box/a.wav"
    assert find("memory://box/deep/c.txt", SUFFIXES["audio"]) == ["memory://box/deep/c.txt"]
    for url, told in {"memory://box/deep/*.wav": "matches nothing", "memory://no": "no: does not exist"}.items():
        with pytest.raises((DataError, UsageError), match=told):
            find(url, SUFFIXES["audio"])


def test_a_page_of_links_is_a_folder(web):
    web.files["/day/"] = b'<a href="a.wav">a</a> <a href="notes.txt">n</a> <a href="../">up</a>'
    web.files["/day/a.wav"] = b"x"
    assert find(f"{web.url}/day/", SUFFIXES["audio"]) == [f"{web.url}/day/a.wav"]
    with pytest.raises(DataError, match="no/: does not exist"):
        find(f"{web.url}/no/", SUFFIXES["audio"])


def test_the_state_of_an_object_changes_with_it_whether_asked_for_alone_or_in_a_listing(memory, web):
    for count in (3, 20):
        urls = [f"memory://s{count}/{at}.wav" for at in range(count)]
        for url in urls:
            memory.pipe(url.removeprefix("memory:/"), b"x")
        before = states([*urls, f"memory://s{count}/gone.wav"])
        memory.pipe(f"/s{count}/1.wav", b"y")
        after = states(urls)
        assert before[f"memory://s{count}/gone.wav"] == (None, None)
        assert [url for url in urls if before[url] != after[url]] == [urls[1]] and after[urls[0]][0] == 1
    url = f"{web.url}/a.wav"
    web.files["/a.wav"] = b"123"
    first = states([url, f"{web.url}/gone.wav"])
    assert first[url][0] == 3 and first[f"{web.url}/gone.wav"] == (None, None)
    web.tags["/a.wav"] = '"2"'
    assert states([url])[url] != first[url]


def test_what_a_silent_server_has_is_not_said_to_be_gone():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.wav"
    assert states([url]) == {}


def test_a_folder_elsewhere_is_never_shown_with_its_secrets(memory, web, tmp_path):
    place = Remote("ftp://me:SECRET@host/folder/") / "a.json"
    assert (str(place), repr(place)) == ("ftp://host/folder/a.json", "Remote('ftp://host/folder/a.json')")
    assert place_of(tmp_path.as_uri()) == tmp_path and isinstance(place_of(Path("memory://x/y")), Remote)
    with pytest.raises(UsageError, match=r"no URL of a folder"):
        place_of("https://h/x?SECRET=1")
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises((UsageError, WriteError), match=web.url):
        Remote(f"{web.url}/a").put(tmp_path / "a")
    assert (Remote("memory://no") / "a").size() is None and Remote("memory://no").names() == []
