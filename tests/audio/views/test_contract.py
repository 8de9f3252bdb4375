"""What every augmentation promises: shape, finiteness, its range, its probability, and examples apart from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from audiossl.audio.views.build import build_views
from audiossl.recipe import spectrogram_views as sv
from audiossl.recipe import waveform_views as wv
from audiossl.recipe.view_base import ViewConfig
from audiossl.recipe.views import ViewsConfig
from audiossl.views.base import Augmentation
from tests.draws import draws

Promise = Callable[[Tensor, Tensor], bool]


@dataclass(frozen=True)
class Measured:
    mean: float = 0.5
    std: float = 2.0


def anything(x: Tensor, y: Tensor) -> bool:
    return True


def within_the_inputs_range(x: Tensor, y: Tensor) -> bool:
    slack = 1e-5 * x.abs().max()
    return bool((y >= x.min() - slack).all() and (y <= x.max() + slack).all())


def same_values(x: Tensor, y: Tensor) -> bool:
    return torch.equal(x.flatten(1).sort(1).values, y.flatten(1).sort(1).values)


def no_louder_anywhere(x: Tensor, y: Tensor) -> bool:
    return bool((y.abs() <= x.abs() + 1e-6).all())


def no_more_energy(x: Tensor, y: Tensor) -> bool:
    return bool((y.norm(dim=1) <= x.norm(dim=1) * 1.0001 + 1e-6).all())


def same_energy(x: Tensor, y: Tensor) -> bool:
    return torch.allclose(y.norm(dim=1), x.norm(dim=1), rtol=1e-3)


def little_below(x: Tensor, y: Tensor) -> bool:
    return bool((y >= x + torch.log(torch.tensor(0.6)) - 1e-3).all())


SPECTROGRAM: dict[str, tuple[sv.SpectrogramView, Promise]] = {
    view.name: (view, promise)
    for view, promise in (
        (sv.BatchNormaliseConfig(), anything),
        (sv.MixBackConfig(), little_below),
        (sv.RandomResizedCropConfig(scale=(0.2, 1.0)), within_the_inputs_range),
        (sv.CompressionConfig(), no_louder_anywhere),
        (sv.GaussianNoiseConfig(), anything),
        (sv.CanvasCropConfig(), anything),
        (sv.LogMixupExpConfig(memory=6), little_below),
        (sv.LinearFaderConfig(), lambda x, y: bool(((y - x).abs() <= 1.001).all())),
        (sv.SpecAugmentConfig(fill="mean"), within_the_inputs_range),
        (sv.TimeWarpConfig(), within_the_inputs_range),
        (sv.TimeShiftConfig(), same_values),
        (sv.FrequencyShiftConfig(), same_values),
        (sv.TimeReversalConfig(), same_values),
        (sv.BlurConfig(), within_the_inputs_range),
    )
}
WAVEFORM: dict[str, tuple[wv.WaveformView, Promise]] = {
    view.name: (view, promise)
    for view, promise in (
        (wv.MixAtSnrConfig(), anything),
        (wv.GainConfig(), lambda x, y: bool((y.abs() <= 2 * x.abs() + 1e-6).all())),
        (wv.PolarityConfig(), lambda x, y: torch.equal(x.abs(), y.abs())),
        (wv.CircularShiftConfig(), same_values),
        (wv.CropShiftConfig(), no_more_energy),
        (wv.WhiteNoiseConfig(), anything),
        (wv.ColouredNoiseConfig(), anything),
        (wv.LowPassConfig(), no_more_energy),
        (wv.HighPassConfig(), no_more_energy),
        (wv.BandPassConfig(), no_more_energy),
        (wv.FadeConfig(), no_louder_anywhere),
        (wv.ClippingConfig(), no_louder_anywhere),
        (wv.PitchShiftConfig(), anything),
        (wv.TimeStretchConfig(), anything),
        (wv.ReverbConfig(), same_energy),
    )
}
MIXING = {"mix_back", "mix_at_snr"}
COUPLED = MIXING | {"batch_normalise", "log_mixup_exp"}
NAMES = [*SPECTROGRAM, *WAVEFORM]


def build(name: str, **changes: Any) -> Augmentation:
    config = (SPECTROGRAM.get(name) or WAVEFORM[name])[0].model_copy(update=changes)
    chains = (
        {"spectrogram": [config, sv.NormaliseConfig()]}
        if name in SPECTROGRAM
        else {"waveform": [config], "spectrogram": [sv.NormaliseConfig()]}
    )
    views = build_views(ViewsConfig.model_validate(chains), sample_rate=16_000, log="ln", statistics=Measured())
    chain = views.spectrogram if name in SPECTROGRAM else views.waveform
    found = chain.augmentations[0]
    assert isinstance(found, Augmentation)
    return found


def batch(name: str, examples: int, length: int, bands: int = 7, seed: int = 0, scale: float = 1.0) -> Tensor:
    shape = (examples, 1, bands, length) if name in SPECTROGRAM else (examples, length)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def test_every_view_of_the_recipe_is_held_to_the_contract() -> None:
    configs = {
        config.model_fields["name"].default
        for module in (sv, wv)
        for config in vars(module).values()
        if isinstance(config, type) and issubclass(config, ViewConfig) and config is not ViewConfig
    }
    assert configs <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_shape_finiteness_range_and_input_hold_for_any_batch(name: str, data: st.DataObject) -> None:
    views = data.draw(st.integers(1, 3), label="views")
    clips = data.draw(st.integers(2 if name in MIXING else 1, 4), label="clips")
    length = data.draw(st.integers(1, 40 if name in SPECTROGRAM else 3000), label="length")
    bands = data.draw(st.integers(1, 12), label="bands")
    scale = data.draw(st.sampled_from([0.0, 1e-3, 1.0, 8.0]), label="scale")
    seed = data.draw(st.integers(0, 10_000), label="seed")
    x = batch(name, views * clips, length, bands, seed, scale)
    before = x.clone()
    y = build(name)(x, draws(seed, views))
    assert y.shape == x.shape and y.dtype == torch.float32
    assert y.isfinite().all()
    assert torch.equal(x, before)
    promise = (SPECTROGRAM.get(name) or WAVEFORM[name])[1]
    assert promise(x, y)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"batch_normalise"}))
def test_probability_is_honoured_example_by_example(name: str) -> None:
    x = batch(name, 300, 60)
    assert torch.equal(build(name, p=0.0)(x, draws()), x)
    view = build(name, p=0.3)
    if name == "log_mixup_exp":
        view(x, draws(1))
    changed = (view(x, draws()) != x).flatten(1).any(1).float().mean().item()
    # A drawn parameter may leave an example as it was, so the share may fall short of p, never by much.
    assert 0.15 < changed < 0.3 + 4 * (0.3 * 0.7 / 300) ** 0.5


@pytest.mark.parametrize("name", NAMES)
def test_equal_draws_give_equal_results(name: str) -> None:
    x = batch(name, 6, 60)
    assert torch.equal(build(name)(x, draws(5, views=2)), build(name)(x, draws(5, views=2)))


@pytest.mark.parametrize("name", sorted(set(NAMES) - COUPLED))
def test_an_example_does_not_depend_on_the_others(name: str) -> None:
    x = batch(name, 5, 200)
    other = x.clone()
    other[2] = other[2] * 3 + 1
    first, second = build(name)(x, draws()), build(name)(other, draws())
    kept = [0, 1, 3, 4]
    torch.testing.assert_close(first[kept], second[kept], rtol=0, atol=0)


@pytest.mark.parametrize("name", sorted(MIXING))
def test_a_mixed_example_depends_on_its_partner_alone(name: str) -> None:
    view = build(name)
    x = batch(name, 6, 50)
    drawn = view.draw(x, draws(views=2))
    partner = drawn["partner"].tolist()
    first = view.apply(x, **drawn)
    for other in range(6):
        changed = x.clone()
        changed[other] = batch(name, 1, 50, seed=9)[0]
        second = view.apply(changed, **drawn)
        for example in range(6):
            touched = other in (example, partner[example])
            assert torch.equal(first[example], second[example]) is not touched
