"""The three recipes of Fonseca et al. (ICASSP 2021) hold the settings of the paper's public code, number by number.

All values are written out here: a default that moves must not move the paper.
"""

from __future__ import annotations

import pytest

from audiossl.recipe.load import load_recipe

ENCODERS = {"resnet18": "resnet18", "vgg": "vgg_like", "crnn": "crnn"}


@pytest.fixture(scope="module", params=ENCODERS)
def recipe(request):
    return load_recipe(f"audio/fonseca2021_{request.param}")


@pytest.mark.parametrize("short", ENCODERS)
def test_each_recipe_has_its_own_encoder(short):
    assert load_recipe(f"audio/fonseca2021_{short}").encoder.model_dump() == {"name": ENCODERS[short]}


def test_the_three_differ_in_nothing_but_the_encoder():
    others = [
        load_recipe(f"audio/fonseca2021_{short}").model_dump(exclude={"name", "description", "encoder"})
        for short in ENCODERS
    ]
    assert others[0] == others[1] == others[2]


def test_front_end(recipe):
    assert recipe.frontend.model_dump() == {
        "name": "fonseca2021",
        "sample_rate": 22_050,
        "n_fft": 2048,
        "window": "hamming",
        "window_length": 660,
        "hop": 220,
        "n_mels": 96,
        "f_min": 50.0,
        "f_max": 10_500.0,
        "mel_scale": "slaney",
        "mel_norm": "none",
        "power": 2,
        "log": "log10",
        "eps": 1.1e-8,
        "wave_eps": 1.1e-8,
        "padding": "reflect",
        "waveform": "peak",
        "headroom": 0.005,
        "min_s": 1.0,
    }


def test_two_independent_crops_of_101_frames_of_the_noisy_training_clips(recipe):
    data = recipe.data
    assert (data.manifest, data.splits, data.crops) == ("fsdnoisy18k", ["train_noisy"], "independent")
    assert round(data.crop_s * recipe.frontend.sample_rate / recipe.frontend.hop) == 101


def test_views_in_the_papers_order(recipe):
    assert recipe.views.waveform == []
    chain = [view.model_dump() for view in recipe.views.spectrogram]
    # Every view is applied to every example.
    assert all(view.pop("p", 1.0) == 1.0 for view in chain)
    assert chain == [
        {"name": "mix_back", "alpha": 0.05, "shared": True},
        {"name": "random_resized_crop", "scale": (0.8, 1.0), "ratio": (0.75, 1.3333)},
        {"name": "compression", "alpha": 0.75},
        {"name": "gaussian_noise", "std": 0.01},
        {"name": "normalise"},
    ]


def test_loss_and_head(recipe):
    assert recipe.method.model_dump() == {
        "name": "simclr",
        "temperature": 0.2,
        "head": "512 bn relu 512",
        "variant": {"name": "ntxent"},
    }


def test_optimiser_decays_everything(recipe):
    assert recipe.optimiser.model_dump() == {
        "name": "sgd",
        "lr": 0.03,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "decay_all": True,
    }


def test_schedule_and_length(recipe):
    assert recipe.schedule.model_dump() == {
        "name": "multistep",
        "milestones": [325, 425],
        "gamma": 0.1,
        "warmup": 0.0,
    }
    training = recipe.training
    assert (training.epochs, training.steps, training.batch_size, training.accumulate) == (500, None, 128, 1)
    assert (training.precision, training.clip_norm) == ("32", None)


def test_embedding_windows_are_the_patches_of_the_papers_evaluation(recipe):
    windows, front = recipe.embedding, recipe.frontend
    assert 1 + round(windows.window_s * front.sample_rate) // front.hop == 101
    assert round(windows.hop_s * front.sample_rate / front.hop) == 50
