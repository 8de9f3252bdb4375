from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from audiossl.audio.views.build import build_views, stretches
from audiossl.errors import UsageError
from audiossl.recipe.spectrogram_views import CompressionConfig, NormaliseConfig
from audiossl.recipe.views import ViewsConfig
from audiossl.recipe.waveform_views import BandPassConfig, GainConfig, HighPassConfig, PolarityConfig
from audiossl.views.normalise import Normalise
from tests.draws import draws


@dataclass(frozen=True)
class Measured:
    mean: float = -2.0
    std: float = 0.5


def test_chains_run_in_the_recipes_order() -> None:
    x = torch.randn(4, 1, 3, 5)
    first, last = CompressionConfig(alpha=0.5), NormaliseConfig()
    for chain in ([first, last], [last, first]):
        views = build_views(ViewsConfig(spectrogram=chain), sample_rate=16_000, log="ln", statistics=Measured())
        factor = draws().uniform(0.5, 1, 4).view(4, 1, 1, 1)
        expected = (factor * x + 2) / 0.5 if chain[0] is first else factor * ((x + 2) / 0.5)
        torch.testing.assert_close(views.spectrogram(x, draws()), expected)


def test_empty_waveform_chain_changes_nothing() -> None:
    x = torch.randn(4, 30)
    views = build_views(ViewsConfig(), sample_rate=16_000, log="ln", statistics=Measured())
    assert torch.equal(views.waveform(x, draws()), x)


def test_default_chain_is_that_of_fonseca() -> None:
    views = build_views(ViewsConfig(), sample_rate=22_050, log="log10", statistics=Measured())
    names = [type(view).__name__ for view in views.spectrogram.augmentations]
    assert names == ["MixBack", "RandomResizedCrop", "Compression", "GaussianNoise", "Normalise"]
    normalise = views.spectrogram.augmentations[-1]
    assert isinstance(normalise, Normalise) and normalise.mean == -2


def test_chains_compute_in_float32_and_without_gradients_whatever_is_around_them() -> None:
    views = build_views(ViewsConfig(waveform=[GainConfig()]), sample_rate=22_050, log="ln", statistics=Measured())
    x = torch.randn(4, 1, 8, 9, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = views.spectrogram(x, draws(views=2))
    assert found.dtype == torch.float32 and not found.requires_grad
    assert torch.equal(found, views.spectrogram(x, draws(views=2)))
    assert views.spectrogram(x.to(torch.bfloat16), draws(views=2)).dtype == torch.float32


def test_equal_seeds_give_equal_views_and_others_others() -> None:
    views = build_views(ViewsConfig(waveform=[PolarityConfig()]), sample_rate=9000, log="ln", statistics=Measured())
    x, wave = torch.randn(6, 1, 8, 9), torch.randn(64, 5)
    assert torch.equal(views.spectrogram(x, draws(3, views=2)), views.spectrogram(x, draws(3, views=2)))
    assert not torch.equal(views.spectrogram(x, draws(3, views=2)), views.spectrogram(x, draws(4, views=2)))
    assert torch.equal(views.waveform(wave, draws(3)), views.waveform(wave, draws(3)))
    assert not torch.equal(views.waveform(wave, draws(3)), views.waveform(wave, draws(4)))


@pytest.mark.parametrize(("share", "frames"), [(0.5, 5), (0.25, 2), (1.0, 10), (0.01, 1)])
def test_short_views_are_stretches_of_every_example_at_places_of_their_own(share: float, frames: int) -> None:
    time = torch.arange(10.0).expand(400, 1, 3, 10)
    x = 1000 * torch.arange(400.0).view(-1, 1, 1, 1) + 100 * torch.arange(3.0).view(3, 1) + time
    short = stretches(x, share, draws(1))
    assert short.shape == (400, 1, 3, frames)
    first = short[:, 0, 0, 0] % 100
    assert torch.equal(short, x[..., :frames] + first.view(-1, 1, 1, 1))
    assert set(first.tolist()) == set(range(10 - frames + 1))
    assert torch.equal(short, stretches(x, share, draws(1)))


def test_small_views_are_stretches_of_views_that_were_augmented_together_with_the_whole_ones() -> None:
    x, n = torch.randn(5 * 6, 1, 8, 10), 6
    views = build_views(ViewsConfig(), sample_rate=16_000, log="ln", statistics=Measured())
    found = views.after_frontend(x, draws(3, views=5), short=3, share=0.4)
    draw = draws(3, views=5)
    augmented = views.spectrogram(x, draw)
    expected = [*augmented[: 2 * n].split(n), *stretches(augmented[2 * n :], 0.4, draw).split(n)]
    assert [view.shape for view in found] == [(n, 1, 8, 10)] * 2 + [(n, 1, 8, 4)] * 3
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    whole = views.after_frontend(x, draws(3, views=5))
    assert torch.equal(torch.cat(whole), augmented)


def test_normalise_without_statistics_is_refused() -> None:
    with pytest.raises(UsageError, match="needs the mean and deviation of the training data"):
        build_views(ViewsConfig(), sample_rate=16_000, log="ln", statistics=None)


@pytest.mark.parametrize("view", [HighPassConfig(cutoff_hz=(200, 5000)), BandPassConfig(centre_hz=(200, 5000))])
def test_frequencies_above_half_the_rate_are_refused(view: HighPassConfig | BandPassConfig) -> None:
    with pytest.raises(UsageError, match=r"_hz 5000 lies above half the sample rate; write at most 4000"):
        build_views(ViewsConfig(waveform=[view]), sample_rate=8000, log="ln", statistics=Measured())
