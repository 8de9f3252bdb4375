"""The recipes of BYOL-A hold the papers' settings, number by number; a default that moves must not move the paper."""

from __future__ import annotations

import pytest

from audiossl.recipe.load import load_recipe
from audiossl.recipe.methods import ByolConfig

VERSIONS = ["v1", "v2"]


def chain(version: str) -> list[dict]:
    views = load_recipe(f"audio/byola_{version}").views
    assert views.waveform == []
    return [{**view.model_dump(), "p": getattr(view, "p", 1.0)} for view in views.spectrogram]


def view(name: str, **told) -> dict:
    return {"name": name, "p": 1.0, **told}


CROP = view("canvas_crop", canvas=1.5, bands=(0.6, 1.5), frames=(0.6, 1.5))
POST_NORM = view("batch_normalise", eps=1.1920929e-07)


def test_views_of_v1():
    mixed = view("log_mixup_exp", alpha=0.4, memory=2048)
    assert chain("v1") == [view("normalise"), mixed, CROP, POST_NORM]


def test_views_of_v2_mix_more_softly_and_fade():
    mixed = view("log_mixup_exp", alpha=0.2, memory=2048)
    assert chain("v2") == [view("normalise"), mixed, CROP, view("linear_fader", gain=1.0), POST_NORM]


@pytest.mark.parametrize("version", VERSIONS)
def test_byol_with_a_constant_momentum(version):
    assert load_recipe(f"audio/byola_{version}").method == ByolConfig(
        head="4096 bn relu 256", predictor="4096 bn relu 256", momentum=0.99, momentum_final=0.99
    )


@pytest.mark.parametrize(("version", "lr"), [("v1", 3e-4), ("v2", 1e-4)])
def test_adam_at_a_constant_rate(version, lr):
    recipe = load_recipe(f"audio/byola_{version}")
    optimiser, schedule = recipe.optimiser, recipe.schedule
    assert (optimiser.name, optimiser.lr, optimiser.weight_decay) == ("adamw", lr, 0.0)
    assert optimiser.betas == (0.9, 0.999)
    assert (schedule.name, schedule.warmup) == ("constant", 0.0)


@pytest.mark.parametrize("version", VERSIONS)
def test_both_views_are_made_of_one_segment_of_96_frames(version):
    recipe = load_recipe(f"audio/byola_{version}")
    front = recipe.frontend
    assert recipe.data.crops == "same"
    assert round(recipe.data.crop_s * front.sample_rate / front.hop) == 96
    assert (front.sample_rate, front.n_fft, front.hop, front.n_mels) == (16_000, 1024, 160, 64)
    assert (front.f_min, front.f_max, front.log) == (60.0, 7800.0, "ln")


def test_encoders():
    assert load_recipe("audio/byola_v1").encoder.model_dump() == {"name": "audiontt2020", "dim": 512, "dropout": 0.3}
    assert load_recipe("audio/byola_v2").encoder.model_dump() == {
        "name": "audiontt2022",
        "dim": 3072,
        "hidden": 2048,
        "dropout": 0.3,
    }
