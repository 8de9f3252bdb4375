"""Every augmentation given the reference system's parameters gives the reference system's arrays."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from audiossl.audio.views.blur import Blur
from audiossl.audio.views.crop import RandomResizedCrop
from audiossl.audio.views.geometry import FrequencyShift, TimeReversal, TimeShift
from audiossl.audio.views.levels import Compression, GaussianNoise
from audiossl.audio.views.masking import SpecAugment
from audiossl.audio.views.mixing import MixBack
from audiossl.recipe.spectrogram_views import (
    BlurConfig,
    CompressionConfig,
    Fill,
    FrequencyShiftConfig,
    GaussianNoiseConfig,
    MixBackConfig,
    RandomResizedCropConfig,
    SpecAugmentConfig,
    TimeReversalConfig,
    TimeShiftConfig,
)

from .conftest import Reference


def close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def mixed_back(reference: Reference, pair: int, view: int) -> Tensor:
    x = torch.cat([reference.patch(f"mixback/{pair}/{part}{view}") for part in ("patch", "back")])
    alpha = reference.numbers(f"mixback/{pair}/draws")[6]
    return MixBack(MixBackConfig(), "log10").apply(x, partner=torch.tensor([1, 0]), alpha=torch.full((2,), alpha))[:1]


def test_mix_back(either_reference: Reference) -> None:
    close(mixed_back(either_reference, 0, 1), either_reference.patch("mixback/0/view1"), 2e-6)


@pytest.mark.shared
@pytest.mark.parametrize(("pair", "view"), [(0, 2), (3, 1), (3, 2)])
def test_mix_back_of_every_pair(reference: Reference, pair: int, view: int) -> None:
    close(mixed_back(reference, pair, view), reference.patch(f"mixback/{pair}/view{view}"), 2e-6)


def cropped(reference: Reference, seed: int) -> Tensor:
    frame, band, frames, bands = (int(number) for number in reference.numbers(f"aug/rrc_s{seed}/ijhw"))
    box = torch.tensor([[band, bands, frame, frames]])
    return RandomResizedCrop(RandomResizedCropConfig()).apply(reference.patch("aug/input"), box=box)


def test_random_resized_crop(either_reference: Reference) -> None:
    close(cropped(either_reference, 1), either_reference.patch("aug/rrc_s1"), 2e-5)


@pytest.mark.shared
@pytest.mark.parametrize("seed", [2, 3])
def test_random_resized_crop_of_other_boxes(reference: Reference, seed: int) -> None:
    close(cropped(reference, seed), reference.patch(f"aug/rrc_s{seed}"), 2e-5)


@pytest.mark.shared
def test_compression(reference: Reference) -> None:
    factor = torch.tensor(reference.numbers("aug/compander075_s1/factor"))
    found = Compression(CompressionConfig()).apply(reference.patch("aug/input"), factor=factor)
    close(found, reference.patch("aug/compander075_s1"), 1e-6)


@pytest.mark.shared
def test_gaussian_noise(reference: Reference) -> None:
    x, noisy = reference.patch("aug/input"), reference.patch("aug/gauss001_s1")
    # The reference's std for this seed; what it added divided by it must look like N(0, 1).
    std = torch.tensor([0.01 * 0.417022004702574])
    noise = (noisy - x) / std
    assert abs(noise.std().item() - 1) < 0.03
    close(GaussianNoise(GaussianNoiseConfig()).apply(x, std=std, noise=noise), noisy, 1e-6)


@pytest.mark.shared
def test_time_shift(reference: Reference) -> None:
    found = TimeShift(TimeShiftConfig()).apply(reference.patch("aug/input"), shift=torch.tensor([13]))
    assert torch.equal(found, reference.patch("aug/timeshift30_s1"))


@pytest.mark.shared
def test_frequency_shift(reference: Reference) -> None:
    found = FrequencyShift(FrequencyShiftConfig()).apply(reference.patch("aug/input"), shift=torch.tensor([4]))
    assert torch.equal(found, reference.patch("aug/freqshift10_s1"))


@pytest.mark.shared
def test_time_reversal(reference: Reference) -> None:
    found = TimeReversal(TimeReversalConfig()).apply(reference.patch("aug/input"))
    assert torch.equal(found, reference.patch("aug/timereversal"))


BANDS = [[17, 8], [72, 14]]
"""First index and width of the reference's masks of seed 1, in the order that the means they hold tell."""
FRAMES = [[8, 6], [0, 0]]


def masked(reference: Reference, fill: Fill) -> Tensor:
    return SpecAugment(SpecAugmentConfig(fill=fill)).apply(
        reference.patch("aug/input"), bands=torch.tensor([BANDS]), frames=torch.tensor([FRAMES])
    )


def test_spec_augment_by_the_mean(either_reference: Reference) -> None:
    close(masked(either_reference, "mean"), either_reference.patch("aug/specaug_F20x2_T20x2_mean_s1"), 1e-6)


@pytest.mark.shared
@pytest.mark.parametrize("fill", ["zero", "min", "max"])
def test_spec_augment_by_constant_fills(reference: Reference, fill: Fill) -> None:
    assert torch.equal(masked(reference, fill), reference.patch(f"aug/specaug_F20x2_T20x2_{fill}_s1"))


@pytest.mark.shared
def test_blur(reference: Reference) -> None:
    # The reference's kernel of seed 1: three bands, one frame, sigma 20.
    blur = Blur(BlurConfig(max_size=5, sigma=20.0))
    found = blur.apply(reference.patch("aug/input"), radius=torch.tensor([[1, 0]]))
    close(found, reference.patch("aug/blur5_s1"), 2e-6)
