"""Whether the parts of a recipe fit each other: each may be right by itself and still not follow on another."""

from __future__ import annotations

from collections.abc import Iterator

from audiossl.recipe.encoders import CausalConfig, CausalWaveformConfig, TimmConfig, WaveformCnnConfig
from audiossl.recipe.frontends import WaveformConfig
from audiossl.recipe.image_encoders import PatchesConfig
from audiossl.recipe.image_views import ImageViewsConfig, ResizedCropConfig
from audiossl.recipe.methods import CpcConfig, MethodBase, MultiFormatConfig
from audiossl.recipe.problems import Problem
from audiossl.recipe.schema import Recipe
from audiossl.recipe.view_base import NormaliseConfig


def misfits(recipe: Recipe) -> Iterator[Problem]:
    """Every part that cannot follow on another one, and what to write instead."""
    hears = isinstance(recipe.encoder, CausalWaveformConfig | WaveformCnnConfig)
    if isinstance(recipe.frontend, WaveformConfig):
        if not hears:
            what = f"{recipe.encoder.name} takes spectrograms, and the front end gives waveforms; write causal_waveform"
            yield Problem("encoder.name", f"{what} or waveform_cnn, or another frontend.name")
        yield from _waveform_views(recipe)
    elif hears:
        what = f"{recipe.encoder.name} takes raw waveforms; write frontend.name: waveform, or another encoder"
        yield Problem("encoder.name", what)
    for method in _methods(recipe.method):
        if recipe.modality not in method.takes:
            what = f"{method.name} is not for modality {recipe.modality}"  # type: ignore[attr-defined]
            yield Problem("method.name", f"{what}; write {method.instead}")
        if isinstance(method, CpcConfig):
            yield from _cpc(recipe, method)
        if isinstance(method, MultiFormatConfig) and isinstance(recipe.frontend, WaveformConfig):
            yield Problem("frontend.name", "multi_format compares waveforms with spectrograms; write byola or logmel")
    if isinstance(recipe.views, ImageViewsConfig):
        yield from _crops(recipe, recipe.views)


def _methods(method: MethodBase) -> Iterator[MethodBase]:
    """`method` and the parts of a combined one."""
    yield method
    for part in getattr(method, "parts", ()):
        yield from _methods(part.method)


def _waveform_views(recipe: Recipe) -> Iterator[Problem]:
    for number, view in enumerate(recipe.views.spectrogram):
        if not isinstance(view, NormaliseConfig):
            what = f"{view.name} changes spectrograms, and the front end gives waveforms; keep only normalise in this"
            yield Problem(f"views.spectrogram.{number}", f"{what} chain and write augmentations in views.waveform")


def _crops(recipe: Recipe, views: ImageViewsConfig) -> Iterator[Problem]:
    """Crops of pictures: what encoders of one size cannot take, and what small views cannot be made of."""
    crops = [(number, view) for number, view in enumerate(views.image) if isinstance(view, ResizedCropConfig)]
    whole = recipe.frontend.bands
    for number, crop in crops:
        if crop.side not in (None, whole) and isinstance(recipe.encoder, TimmConfig | PatchesConfig):
            what = f"{recipe.encoder.name} is made for pictures of frontend.side, {whole} pixels, and for no others"
            yield Problem(f"views.image.{number}.side", f"{what}; write {whole}, or leave side out")
    for method in _methods(recipe.method):
        if getattr(method, "short_crops", 0) and len(crops) != 1:
            what = f"small views are cut by the chain's one random_resized_crop, and it has {len(crops)} of them"
            yield Problem("views.image", f"{what}; write one, or short_crops: 0")


def _cpc(recipe: Recipe, method: CpcConfig) -> Iterator[Problem]:
    encoder = recipe.encoder
    if not isinstance(encoder, CausalConfig | PatchesConfig):
        what = f"cpc needs an encoder that never looks ahead, and {encoder.name} does; write causal"
        yield Problem("encoder.name", f"{what}, or causal_waveform with frontend.name: waveform; for pictures patches")
        return
    frames = encoder.frames_of(recipe.data.columns(recipe.frontend))
    if frames <= method.steps:
        what = f"cpc cannot predict {method.steps} steps in a crop of {frames} encoder frames"
        less = f"{frames - 1} or less, or " if frames > 1 else ""
        yield Problem("method.steps", f"{what}; write {less}{encoder.more_frames}")
