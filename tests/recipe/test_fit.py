"""Parts that do not fit each other are refused with the line and the cure, before any sound is read."""

from __future__ import annotations

import pytest

from audiossl.errors import RecipeError
from audiossl.recipe.load import load_recipe

WAVEFORM = ["frontend={name: waveform}", "encoder={name: causal_waveform}", "views.spectrogram=[{name: normalise}]"]
CPC = ["method={name: cpc}", "encoder={name: causal}"]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (["frontend={name: waveform}", WAVEFORM[2]], "audiontt2020 takes spectrograms.*write causal_waveform or wave"),
        (WAVEFORM[1:2], "causal_waveform takes raw waveforms; write frontend.name: waveform"),
        (["encoder={name: waveform_cnn}"], "waveform_cnn takes raw waveforms; write frontend.name: waveform"),
        ([*WAVEFORM[:2], "views.spectrogram=[{name: normalise}, {name: blur}]"], "blur changes spectrograms.*waveform"),
        ([*WAVEFORM, "method={name: multi_format}"], "multi_format compares waveforms with spectrograms; write byola"),
        (["method={name: cpc}"], "cpc needs an encoder that never looks ahead, and audiontt2020 does; write causal"),
        ([*CPC, "data.crop_s=0.48"], "cannot predict 12 steps in a crop of 12 encoder frames; write 11 or less"),
        ([*CPC, "data.crop_s=0.05"], "12 steps in a crop of 1 encoder frames; write a longer data.crop_s"),
        ([*WAVEFORM, "method={name: cpc, steps: 96}", "data.crop_s=0.96"], "96 steps in a crop of 96 encoder frames"),
    ],
)
def test_parts_that_do_not_fit_are_refused_in_one_sentence(told, message):
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe("audio/esc50_simclr", told)
    assert len(str(caught.value).splitlines()) == 1


def test_the_line_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("method:\n  name: cpc\nencoder:\n  name: resnet18\n")
    with pytest.raises(RecipeError, match=r"r\.yaml:4: encoder\.name: cpc needs an encoder that never looks ahead"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (["encoder={name: resnet18}"], "cpc needs an encoder that never looks ahead, and resnet18 does; .*patches"),
        (["method.steps=7"], "7 steps in a crop of 7 encoder frames; write 6 or less, or a shorter encoder.stride"),
        (["encoder.side=32"], "5 steps in a crop of 1 encoder frames; write a shorter encoder.stride"),
        (["frontend.side=28"], None),
        (["frontend.side=24"], "5 steps in a crop of 5 encoder frames; write 4 or less"),
    ],
)
def test_rows_of_patches_fit_as_frames_of_sound_do(tmp_path, told, message):
    path = tmp_path / "r.yaml"
    path.write_text("modality: image\nencoder: {name: patches}\nmethod: {name: cpc, steps: 5}\n")
    if message is None:
        load_recipe(path, told)
        return
    with pytest.raises(RecipeError, match=message):
        load_recipe(path, told)


@pytest.mark.parametrize(
    ("recipe", "told", "message"),
    [
        (
            "image/cifar10_simclr",
            ["method={name: multi_format}"],
            "method.name: multi_format is not for modality image; write simclr",
        ),
        (
            "audio/esc50_simclr",
            ["method={name: rotation}"],
            "method.name: rotation is not for modality audio; write transforms",
        ),
        (
            "audio/esc50_simclr",
            ["method={name: combined, parts: [{method: {name: rotation}}]}"],
            "rotation is not for modality audio; write transforms",
        ),
        ("image/cifar10_simclr", ["frontend={name: waveform}"], "frontend"),
        (
            "image/cifar10_swav_multicrop",
            ["views.image=[{name: normalise}, {name: horizontal_flip}]"],
            "one random_resized_crop, and it has 0 of them; write one, or short_crops: 0",
        ),
        (
            "image/imagenette160_simclr",
            ["encoder={name: timm, model: vit_tiny_patch16_224}"],
            "views.image.0.side: timm is made for pictures of frontend.side, 160 pixels, and for no others; write 160",
        ),
    ],
)
def test_what_does_not_fit_pictures_or_sounds_is_refused_in_one_sentence(recipe, told, message):
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(recipe, told)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("told", [[*CPC, "data.crop_s=0.56"], [*WAVEFORM, "method={name: cpc}"], WAVEFORM])
def test_parts_that_fit_are_taken(told):
    load_recipe("audio/esc50_simclr", told)
