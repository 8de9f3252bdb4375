"""The door for pictures gives what is in the file: upright RGB, whatever the format, mode and depth."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from PIL import ImageFile

from audiossl.image.decode import decode, probe
from audiossl.image.quiet import quiet_pillow

from .made import EXACT, FORMATS, LOST_EXIF, save, scene, with_orientation


def rgb(path: Path) -> np.ndarray:
    """(H, W, 3), as our door gives it."""
    pixels = decode(path).pixels
    assert (pixels.dtype, pixels.shape[0]) == (np.uint8, 3)
    return pixels.transpose(1, 2, 0)


@pytest.mark.parametrize(("name", "form"), FORMATS.items())
def test_every_format_gives_its_own_pixels(tmp_path: Path, name: str, form: str):
    path = save(tmp_path / name, scene(), form)
    with PIL.Image.open(path) as image:
        np.testing.assert_array_equal(rgb(path), np.asarray(image.convert("RGB")))
    assert form not in EXACT or np.array_equal(rgb(path), scene())
    image = decode(path)
    assert not (image.animated or image.turned or image.transparent or image.stretched or image.reduced or image.plain)


@pytest.mark.parametrize(("name", "form"), FORMATS.items())
def test_probe_says_what_decoding_finds(tmp_path: Path, name: str, form: str):
    info = probe(save(tmp_path / name, scene(), form))
    assert (info.width, info.height, info.format, info.animated) == (44, 30, form, False)
    assert info.mode == ("P" if form == "GIF" else "RGB")


def test_the_content_tells_the_format_not_the_suffix(tmp_path: Path):
    assert probe(save(tmp_path / "a.jpg", scene(), "PNG")).format == "PNG"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("name", "form"), [("a.jpg", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP"), ("a.tif", "TIFF")])
def test_pictures_are_turned_upright(tmp_path: Path, name: str, form: str, orientation: int):
    path = save(tmp_path / name, scene(), form, exif=with_orientation(orientation))
    with PIL.Image.open(path) as image:
        expected = np.asarray(PIL.ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(rgb(path), expected)
    assert (orientation == 1) == np.array_equal(expected, rgb(save(tmp_path / "plain", scene(), form)))
    info = probe(path)
    assert (info.height, info.width) == expected.shape[:2]
    if form != "TIFF":  # which Pillow has turned before it tells
        assert decode(path).turned == info.turned == (orientation != 1)


def test_grey_and_palette_and_bits_are_colours(tmp_path: Path):
    image = PIL.Image.fromarray(scene())
    for mode in ("1", "L", "P"):
        expected = np.asarray(image.convert(mode).convert("RGB"))
        np.testing.assert_array_equal(rgb(save(tmp_path / f"{mode}.png", image.convert(mode))), expected)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_transparent_pixels_lie_on_white(tmp_path: Path, mode: str):
    image = PIL.Image.fromarray(scene()).convert("LA" if mode == "LA" else "RGBA")
    alpha = np.full(scene().shape[:2], 255, np.uint8)
    alpha[:, :10], alpha[:, 10:20] = 0, 128
    image.putalpha(PIL.Image.fromarray(alpha))
    colours = np.asarray(image.convert("RGBA"))[:, :, :3].astype(float)
    saved = image.quantize(256) if mode == "PA" else image
    found = rgb(save(tmp_path / "a.png", saved)).astype(float)
    assert (found[:, :10] == 255).all()
    assert np.abs(found[:, 10:20] - (colours[:, 10:20] + 255) / 2).max() <= (40 if mode == "PA" else 1)
    assert np.abs(found[:, 20:] - colours[:, 20:]).max() <= (40 if mode == "PA" else 0)
    assert decode(tmp_path / "a.png").transparent


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "P with an alpha for each colour"])
def test_a_transparent_colour_becomes_white(tmp_path: Path, mode: str):
    image = PIL.Image.fromarray(scene()).convert(mode.split()[0])
    key = image.getpixel((0, 0))
    where = (np.asarray(image) == key).reshape(30, 44, -1).all(axis=2)
    if "alpha" in mode:
        key = bytes(0 if index == key else 255 for index in range(256))
    found = decode(save(tmp_path / "a.png", image, transparency=key))
    assert found.transparent and 0 < where.sum() < where.size
    np.testing.assert_array_equal((found.pixels == 255).all(axis=0), where)


def test_an_opaque_alpha_changes_nothing(tmp_path: Path):
    path = save(tmp_path / "a.png", PIL.Image.fromarray(scene()).convert("RGBA"))
    np.testing.assert_array_equal(rgb(path), scene())
    assert not decode(path).transparent


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_sixteen_bits_keep_their_full_scale(tmp_path: Path, name: str):
    eight = scene()[:, :, 1]
    path = save(tmp_path / name, eight.astype(np.uint16) * 257)
    np.testing.assert_array_equal(rgb(path), np.repeat(eight[:, :, None], 3, axis=2))
    assert not decode(path).stretched


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_values_without_a_full_scale_are_stretched_and_it_is_said(tmp_path: Path, dtype: type):
    values = np.linspace(-1000, 5000, 60).reshape(6, 10).astype(dtype)
    image = decode(save(tmp_path / "a.tif", values))
    expected = 255 * (values.astype(float) + 1000) / 6000
    assert np.abs(image.pixels[0] - expected).max() <= 0.51 and image.stretched
    flat = decode(save(tmp_path / "b.tif", np.full((3, 3), 7, dtype)))
    assert (flat.pixels == 0).all() and flat.plain


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colour_spaces_become_rgb(tmp_path: Path, mode: str):
    path = save(tmp_path / "a.tif", PIL.Image.fromarray(scene()).convert(mode))
    assert np.abs(rgb(path).astype(int) - scene()).max() <= 3
    path = save(tmp_path / "a.jpg", PIL.Image.fromarray(scene()).convert(mode), quality=95)
    assert np.abs(rgb(path).astype(int) - scene()).mean() < 12


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_picture_is_given_and_it_is_said(tmp_path: Path, form: str):
    frames = [PIL.Image.fromarray(np.full((8, 9, 3), tone, np.uint8)) for tone in (40, 120, 200)]
    path = save(tmp_path / "a", frames[0], form, save_all=True, append_images=frames[1:])
    image = decode(path)
    assert image.animated and probe(path).animated and np.abs(image.pixels.astype(int) - 40).max() <= 2


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_the_smallest_and_the_thinnest_are_pictures(tmp_path: Path, size: tuple[int, int]):
    found = decode(save(tmp_path / "a.png", np.full((*size, 3), 9, np.uint8)))
    assert found.pixels.shape == (3, *size) and found.plain


def test_a_large_jpeg_comes_smaller_where_a_small_side_is_enough(tmp_path: Path):
    rows, columns = np.mgrid[:800, :1200] / 800
    smooth = (255 * np.stack([rows, columns / 1.5, 1 - rows], axis=2)).astype(np.uint8)
    path = save(tmp_path / "a.jpg", smooth, quality=95)
    for side, expected in ((50, (100, 150)), (64, (200, 300)), (200, (400, 600)), (201, (800, 1200))):
        image = decode(path, side=side)
        assert image.pixels.shape[1:] == expected and min(expected) >= min(2 * side, 800)
        assert image.reduced == (side <= 200)
        shrunk = np.asarray(PIL.Image.fromarray(smooth).resize(expected[::-1], PIL.Image.Resampling.BOX))
        assert np.abs(image.pixels.transpose(1, 2, 0).astype(int) - shrunk).max() <= 4
    png = save(tmp_path / "a.png", smooth)
    assert not decode(png, side=8).reduced


def test_many_threads_read_at_once_and_leave_warnings_and_settings_as_they_were(tmp_path: Path):
    paths = [save(tmp_path / f"{n}.jpg", scene(), "JPEG", exif=LOST_EXIF, quality=90 + n % 5) for n in range(20)]
    alone = [decode(path).pixels for path in paths]
    before = list(warnings.filters), PIL.Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda path: decode(path).pixels, paths * 10))
    assert all(np.array_equal(found, alone[n % 20]) for n, found in enumerate(together))
    assert (list(warnings.filters), PIL.Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == before


def test_only_pillows_warnings_are_kept_quiet_and_only_meanwhile():
    def remark(module: str) -> None:
        warnings.warn_explicit("a remark", UserWarning, "file.py", 1, module=module)

    with quiet_pillow():
        with quiet_pillow():
            remark("PIL.TiffImagePlugin")
        remark("PIL.TiffImagePlugin")
        with pytest.raises(UserWarning):
            remark("somewhere.else")
    with pytest.raises(UserWarning):
        remark("PIL.TiffImagePlugin")
