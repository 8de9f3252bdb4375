"""Broken pictures: each is one clear `ImageError` at once, without a warning, or is read whole and right."""

from __future__ import annotations

import json
import os
import struct
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiossl.errors import AudiosslError, ImageError
from audiossl.image.decode import MAX_PIXELS, decode, probe
from audiossl_cli.app import run
from tests.faults.pictures import broken, odd
from tests.image.made import FORMATS, LOST_EXIF, cut, png, png_chunk, save, scene, with_orientation

pytestmark = pytest.mark.timeout(20)


def refused(path: Path, cause: str, *, from_header: bool = True) -> None:
    """`decode`, and `probe` where the header tells, raise the same sentence, with the path, at once."""
    for read in (decode, probe) if from_header else (decode,):
        start = time.process_time()
        with pytest.raises(ImageError, match=cause) as caught:
            read(path)
        assert time.process_time() - start < 1.0
        assert str(caught.value).startswith(f"{path}: ")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        pytest.param(b"", r"is empty \(0 bytes\)", id="0 bytes"),
        pytest.param(b"Dear diary, today I saw a bird. " * 9, "is not a picture of a known format", id="text"),
        pytest.param(np.random.default_rng(5).bytes(5000), "is not a picture of a known format", id="random bytes"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture of a known", id="a program"),
        pytest.param(b"\xff\xd8\xff", "is not a picture|is damaged|is truncated", id="three bytes of a JPEG"),
        pytest.param(png(9, 9)[:20], "is not a picture|is damaged|is truncated", id="20 bytes of a PNG"),
        pytest.param(b"GIF89a", "is not a picture|is damaged|is truncated", id="six bytes of a GIF"),
        pytest.param(png(0, 9), "is not a picture|is damaged|has no pixels", id="no columns"),
    ],
)
def test_a_file_that_is_no_picture_is_named_with_its_cause(tmp_path: Path, content: bytes, cause: str):
    refused(write(tmp_path / "a.png", content), cause)


def test_what_is_not_a_file_is_refused_and_nothing_hangs(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    refused(tmp_path / "fifo.png", "is a FIFO, not a picture")
    refused(tmp_path / "folder.png", "is a folder, not a picture")
    refused(tmp_path / "dangling.png", "does not exist")
    refused(tmp_path / "absent.png", "does not exist")
    refused(tmp_path / "loop.png", "cannot be opened")
    refused(Path("/dev/zero"), "is a device, not a picture")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(("name", "form"), FORMATS.items())
def test_a_cut_picture_is_refused_never_passed_off_as_whole(tmp_path: Path, name: str, form: str, share: float):
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    path = cut(save(tmp_path / name, noise, form), share)
    refused(path, "is truncated|is damaged|is not a picture", from_header=False)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_progressive_jpeg_is_refused(tmp_path: Path, share: float):
    path = cut(save(tmp_path / "a.jpg", scene(200, 300), progressive=True), share)
    refused(path, "is truncated", from_header=False)


@pytest.mark.parametrize("size", [(20_000, 20_000), (12_000, 10_001), (2**31 - 1, 2**31 - 1), (1, 120_000_001)])
def test_a_bomb_is_refused_from_its_header(tmp_path: Path, size: tuple[int, int]):
    refused(write(tmp_path / "a.png", png(*size)), r"more than the 120,000,000|is damaged|is not a picture")
    jpeg = save(tmp_path / "small.jpg", scene()).read_bytes()
    if max(size) < 65_536:
        start = jpeg.index(b"\xff\xc0") + 5
        huge = jpeg[:start] + struct.pack(">HH", size[1], size[0]) + jpeg[start + 4 :]
        refused(write(tmp_path / "a.jpg", huge), "more than the 120,000,000")
        with pytest.raises(ImageError, match="more than the 120,000,000"):
            decode(tmp_path / "a.jpg", side=32)


def test_the_limit_itself_is_not_refused_by_the_header(tmp_path: Path):
    assert probe(write(tmp_path / "a.png", png(12_000, 10_000))).width * 10_000 == MAX_PIXELS


def test_a_text_chunk_that_unfolds_without_end_is_refused(tmp_path: Path):
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 3_000_000))
    refused(write(tmp_path / "a.png", png(1, 1, bomb, data=b"\0" * 4)), "is damaged")


def test_a_value_that_is_not_finite_is_refused(tmp_path: Path):
    values = np.ones((4, 5), np.float32)
    values[2, 2] = np.nan
    refused(save(tmp_path / "a.tif", values), "holds a value that is not finite", from_header=False)


@pytest.mark.parametrize("exif", [LOST_EXIF, *(with_orientation(6)[:length] for length in (6, 9, 14, 20, 25))])
def test_a_whole_picture_with_damaged_exif_is_read_without_a_warning(tmp_path: Path, exif: bytes):
    path = save(tmp_path / "a.jpg", scene(), exif=exif, quality=95)
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        image, info = decode(path), probe(path)
    assert not remarks
    assert image.pixels.shape[1:] == (info.height, info.width)
    plain = decode(save(tmp_path / "b.jpg", scene(), quality=95)).pixels
    assert np.array_equal(image.pixels, np.rot90(plain, -1, axes=(1, 2)) if image.turned else plain)


def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path):
    path = save(tmp_path / "a.png", scene(), exif=with_orientation(77))
    assert np.array_equal(decode(path).pixels.transpose(1, 2, 0), scene())


@pytest.mark.parametrize(("name", "form"), FORMATS.items())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_rotten_bytes_give_a_picture_or_one_clear_error(tmp_path: Path, name: str, form: str, data: st.DataObject):
    content = bytearray(save(tmp_path / name, scene(), form, exif=with_orientation(3)).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = write(tmp_path / "rotten", bytes(content))
    for read in (probe, decode):
        try:
            read(path)
        except AudiosslError as error:
            assert isinstance(error, ImageError) and len(str(error).splitlines()) == 1


def test_pillows_own_limits_stay_the_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    refused(write(tmp_path / "a.png", png(20_000, 20_000)), "has 20,000 x 20,000 pixels, more than the 120,000,000")
    assert PIL.Image.MAX_IMAGE_PIXELS is None


def data_check(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["data", "check", *map(str, arguments)])
    told = capfd.readouterr()
    assert "Traceback" not in told.err
    return code, told.out, told.err


def test_data_check_names_every_broken_picture_with_its_cause_and_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    causes = broken(tmp_path / "pictures")
    code, out, err = data_check(capfd, tmp_path / "pictures", "--verify", "--json")
    report = json.loads(out)
    found = dict(report["unreadable"])
    assert (code, report["items"], report["files"]) == (3, 8, 1)
    assert set(found) == set(causes)
    assert {name for name, cause in causes.items() if cause not in found[name]} == set()
    assert len(report["faults"]) == 7
    assert "pictures: 7 faults" in err


def test_data_check_of_headers_alone_misses_only_what_is_cut(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    causes = broken(tmp_path / "pictures")
    _, out, _ = data_check(capfd, tmp_path / "pictures", "--json")
    assert {name for name, _ in json.loads(out)["unreadable"]} == set(causes) - {"half.jpg"}


@pytest.mark.parametrize("verify", [(), ("--verify",)])
def test_data_check_of_odd_but_readable_pictures_finds_no_fault(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], verify: tuple[str, ...]
):
    odd(tmp_path)
    code, out, _ = data_check(capfd, tmp_path, "--json", *verify)
    report = json.loads(out)
    assert (code, report["files"], report["faults"]) == (0, 7, [])
    assert report["modes"] == {"1": 1, "CMYK": 1, "I;16": 1, "P": 1, "RGB": 2, "RGBA": 1}
    assert (report["tiny"], report["turned"]) == (["dot.png"], ["turned.jpg"])
    assert report["widths"]["least"] == 1 and report["heights"]["most"] == 44


def test_data_check_of_an_empty_folder_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    code, out, err = data_check(capfd, tmp_path)
    assert (code, out) == (3, "")
    assert len(err.strip().splitlines()) == 1
    assert "holds no sound file and no picture file" in err
