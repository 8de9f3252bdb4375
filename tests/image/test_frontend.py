"""Pictures of any size become squares of one size, as torchvision would make them, and statistics of their channels."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from audiossl.errors import DataError
from audiossl.image.frontend import Pixels, build_frontend
from audiossl.recipe.image_frontend import PixelsConfig

from .made import scene


def front(side: int, interpolation: str = "bilinear") -> Pixels:
    return build_frontend(PixelsConfig.model_validate({"side": side, "interpolation": interpolation}))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(30, 44), (45, 30), (90, 41), (8, 8), (1, 1), (3, 700)])
def test_the_middle_square_is_torchvisions_crop_and_resize(size: tuple[int, int], interpolation: str) -> None:
    picture = PIL.Image.fromarray(scene(*size))
    square = tv.resize(tv.center_crop(picture, [min(size)]), [16, 16], InterpolationMode(interpolation))
    found = front(16, interpolation).prepare(scene(*size).transpose(2, 0, 1))
    assert (found.dtype, found.shape) == (np.uint8, (3 * 16 * 16,)) and found.flags.c_contiguous
    np.testing.assert_array_equal(found.reshape(3, 16, 16).transpose(1, 2, 0), np.asarray(square))


def test_a_picture_of_the_side_is_stored_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    np.testing.assert_array_equal(front(32).prepare(picture), picture.reshape(-1))


def test_fine_stripes_become_grey_and_no_coarse_stripes() -> None:
    stripes = np.zeros((3, 256, 256), np.uint8)
    stripes[:, :, ::2] = 255
    small = front(20).prepare(stripes).astype(int)
    assert abs(small - 127.5).max() < 12


def test_a_batch_is_the_stored_pictures_between_0_and_1() -> None:
    pictures = np.stack([scene(16, 16), 255 - scene(16, 16)]).transpose(0, 3, 1, 2)
    stored = torch.from_numpy(np.stack([front(16).prepare(picture) for picture in pictures]))
    found = front(16)(stored)
    assert (found.dtype, found.shape) == (torch.float32, (2, 3, 16, 16))
    assert torch.equal(found, torch.from_numpy(pictures.copy()).float() / 255)
    assert torch.equal(front(16)(stored, centre=False), found)
    assert front(16).samples == stored.shape[1]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 9, 9), np.uint8), np.zeros((3, 0, 9), np.uint8), np.zeros((3, 9, 9)), np.zeros(27, np.uint8)],
)
def test_what_is_no_picture_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="decode gives it"):
        front(16).prepare(pixels)


def test_rows_of_another_side_are_refused() -> None:
    with pytest.raises(DataError, match=r"side 16 is stored as 768 values, not 3072"):
        front(16)(torch.zeros(2, 3 * 32 * 32, dtype=torch.uint8))
