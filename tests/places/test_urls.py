"""What a name is, and that nothing secret in it is ever shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiossl.data.manifest import load_items
from audiossl.errors import UsageError
from audiossl.places.urls import absolute, path_of, refuse_url, scrubbed, shown, url_of


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("https://h/a.wav?X-Amz-Signature=SECRET&X-Amz-Date=1", "https://h/a.wav"),
        ("https://user:SECRET@h:8080/a@b.wav", "https://h:8080/a@b.wav"),
        ("https://SECRET@h/a.wav#SECRET", "https://h/a.wav"),
        ("https://h?SECRET", "https://h"),
        ("HTTPS://user:SE?C/RET@h/a.wav", "HTTPS://h/a.wav"),
        ("s3://key:SE/CR/ET@bucket/a.wav", "s3://bucket/a.wav"),
        ("s3://bucket/a.wav?token=SECRET", "s3://bucket/a.wav"),
        ("s3://bucket/day?/a.wav", "s3://bucket/day?/a.wav"),
        ("abfs://container@account.dfs.core.windows.net/a.wav", "abfs://container@account.dfs.core.windows.net/a.wav"),
        ("sftp://me@host/a.wav", "sftp://me@host/a.wav"),
        ("/local/a?b=c@d.wav", "/local/a?b=c@d.wav"),
    ],
)
def test_user_password_and_query_are_cut_out_and_nothing_else(name, there):
    assert shown(name) == there and "SECRET" not in scrubbed(f"no, {name}: '{name}', url=URL('{name}')")


def test_a_path_is_no_url_and_a_url_that_became_a_path_is_one_again():
    assert url_of("a.wav") is url_of("/a/b.wav") is url_of("C:/a.wav") is url_of(Path("/a:/b.wav")) is None
    assert url_of(Path("s3://bucket/a.wav")) == "s3://bucket/a.wav"
    assert absolute(Path("s3://bucket/a.wav")) == "s3://bucket/a.wav"
    assert absolute("a.wav") == str(Path.cwd() / "a.wav")


def test_file_urls_are_local_paths():
    assert url_of("file:///a/b.wav") is None
    assert path_of("file:///a/b%20c.wav") == path_of("file://localhost/a/b%20c.wav") == Path("/a/b c.wav")
    with pytest.raises(UsageError, match="machine elsewhere"):
        path_of("file://elsewhere/a.wav")


def test_a_name_that_is_no_text_is_written_as_a_url_that_means_the_same_bytes():
    name = os.fsdecode(b"/sounds/caf\xe9 1.wav")
    assert absolute(name) == "file:///sounds/caf%E9%201.wav"
    assert os.fsencode(path_of(absolute(name))) == b"/sounds/caf\xe9 1.wav"


def test_what_reads_local_files_only_says_so():
    for name in ("https://me:SECRET@h/x?SECRET", Path("https://h/x"), "https:/h/x"):
        with pytest.raises(UsageError, match=r"^https://h/x: this command reads local files only; copy the sounds"):
            load_items(name)
    with pytest.raises(UsageError, match=r"^s3://b/x: this command reads local files only"):
        load_items("esc50", Path("s3://b/x"))
    refuse_url("/a/b", "evaluation")
