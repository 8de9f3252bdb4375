"""A bundle is one file that says everything: what is loaded embeds exactly as what was saved."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.load import load_bundle
from audiossl.bundle.save import save_bundle, serialise
from audiossl.bundle.untrained import untrained_bundle
from audiossl.errors import AudiosslError, UsageError, WriteError
from audiossl.recipe.encoders import (
    AudioNtt2022Config,
    CrnnConfig,
    ResNet18Config,
    VggLikeConfig,
)
from audiossl.recipe.frontends import FonsecaConfig
from audiossl.recipe.schema import EmbeddingConfig, Recipe
from tests.bundle.wings import PICTURES, SOUNDS, WINGS, Wing, picture, sine

RECIPE, STATISTICS = SOUNDS.recipe, SOUNDS.statistics


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return untrained_bundle(RECIPE, STATISTICS, seed=1)


@pytest.fixture(scope="module", params=WINGS, ids=lambda wing: wing.name)
def wing(request) -> Wing:
    return request.param


@pytest.fixture(scope="module")
def made(wing) -> Bundle:
    """Of either wing."""
    return untrained_bundle(wing.recipe, wing.statistics, seed=1)


def test_loading_gives_back_the_same_embeddings_and_everything_that_was_said(wing, made, tmp_path: Path):
    path = tmp_path / "encoder.safetensors"
    training, data = {"steps": 12, "loss": 3.5}, {"manifest": "synth", "items": 3}
    told = {"recipe": wing.recipe, "statistics": wing.statistics, "training": training, "data": data}
    digest = save_bundle(path, encoder=made.encoder, **told)
    loaded = load_bundle(path)
    assert np.array_equal(loaded.embed(*wing.example), made.embed(*wing.example))
    assert loaded.sha256 == digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (loaded.recipe, loaded.statistics) == (wing.recipe, wing.statistics)
    assert type(loaded.recipe) is type(wing.recipe) and loaded.embedding_dim == wing.embedding_dim
    described = loaded.describe()
    assert described["training"] == training and described["data"] == data
    assert described["encoder"] == wing.recipe.encoder.model_dump() and described["modality"] == wing.recipe.modality
    assert described["frontend"] == wing.recipe.frontend.model_dump()
    assert set(described["versions"]) == {"python", "torch"}


def test_a_folder_with_one_bundle_is_that_bundle(bundle, tmp_path: Path):
    save_bundle(tmp_path / "encoder.safetensors", encoder=bundle.encoder, recipe=RECIPE, statistics=STATISTICS)
    assert load_bundle(tmp_path).recipe == RECIPE


def test_the_same_arguments_give_the_same_bytes(wing, made):
    told = {"recipe": wing.recipe, "statistics": wing.statistics, "training": {"date": "today"}}
    first, second = (serialise(encoder=made.encoder, **told) for _ in range(2))
    assert first == second


def test_a_diverged_summary_is_saved_with_null(bundle, tmp_path: Path):
    path = tmp_path / "e.safetensors"
    training = {"loss": float("nan"), "monitors": [{"rank": float("inf"), "std": 0.5}]}
    save_bundle(path, encoder=bundle.encoder, recipe=RECIPE, statistics=STATISTICS, training=training)
    assert load_bundle(path).about["training"] == {"loss": None, "monitors": [{"rank": None, "std": 0.5}]}


def test_a_place_that_cannot_be_written_leaves_the_old_bundle(bundle, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError):
        save_bundle(tmp_path / "file" / "e", encoder=bundle.encoder, recipe=RECIPE, statistics=STATISTICS)


def test_loading_and_making_leave_the_global_random_state_alone(wing, made, tmp_path: Path):
    save_bundle(tmp_path / "e.safetensors", encoder=made.encoder, recipe=wing.recipe, statistics=wing.statistics)
    state = torch.get_rng_state()
    load_bundle(tmp_path / "e.safetensors")
    untrained_bundle(wing.recipe, wing.statistics, seed=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_untrained_weights_are_a_function_of_the_seed(wing, made):
    again, other = (untrained_bundle(wing.recipe, wing.statistics, seed=seed) for seed in (1, 2))
    assert np.array_equal(again.embed(*wing.example), made.embed(*wing.example))
    assert again.sha256 == made.sha256 != other.sha256
    assert not np.allclose(other.embed(*wing.example), made.embed(*wing.example))


def test_the_input_is_normalised_by_the_statistics(bundle):
    scaled = Bundle(RECIPE, bundle.frontend, bundle.encoder, Statistics(-7.0, 4.0, 3, scale=10.0))
    x_BS = torch.from_numpy(sine(0.5))[None]
    logmel = bundle.frontend(x_BS)
    assert torch.allclose(bundle.spectrogram(x_BS), (logmel + 7.0) / 4.0, atol=1e-6)
    assert torch.allclose(scaled.spectrogram(x_BS), (logmel + 7.0) / 4.0 * 10.0, atol=1e-5)


def test_each_channel_is_normalised_by_its_own_statistics():
    statistics = PICTURES.statistics
    made = untrained_bundle(PICTURES.recipe, statistics, seed=0)
    pixels = picture(16, 16)
    x_BCFT = made.spectrogram(torch.from_numpy(made.frontend.prepare(pixels))[None])
    for channel, (mean, std) in enumerate(zip(statistics.mean, statistics.std, strict=True)):
        assert np.allclose(x_BCFT[0, channel].numpy(), (pixels[channel] / 255 - mean) / std, atol=1e-5)


def test_any_form_of_the_same_picture_gives_the_same_embedding():
    made, pixels = untrained_bundle(PICTURES.recipe, PICTURES.statistics, seed=0), picture(20, 30)
    wanted = made.embed(pixels)
    for same in (torch.from_numpy(pixels), PIL.Image.fromarray(pixels.transpose(1, 2, 0))):
        assert np.array_equal(made.embed(same), wanted)
    start_s, rows = made.embed_windows(pixels)
    assert np.isnan(start_s).tolist() == [True] and np.array_equal(rows[0], wanted)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 3), (16, 16)])
def test_pictures_of_any_size_have_finite_embeddings(size):
    embedding = untrained_bundle(PICTURES.recipe, PICTURES.statistics, seed=0).embed(picture(*size))
    assert embedding.shape == (64,) and np.isfinite(embedding).all()


@pytest.mark.parametrize(
    "example",
    [
        np.zeros((3, 4, 5)),
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 3), np.uint8),
        np.zeros((3, 0, 5), np.uint8),
        np.zeros((1, 4, 5), np.uint8),
        "cat.jpg",
        None,
    ],
    ids=str,
)
def test_what_is_no_picture_is_a_usage_error(example):
    made = untrained_bundle(PICTURES.recipe, PICTURES.statistics, seed=0)
    with pytest.raises(UsageError, match="or a PIL image"):
        made.embed(example)


def test_what_has_no_time_is_refused_what_needs_it():
    made = untrained_bundle(PICTURES.recipe, PICTURES.statistics, seed=0)
    with pytest.raises(UsageError, match="takes pictures, which have no time"):
        made.embed_frames(picture(), 16_000)


@pytest.mark.parametrize(
    "values",
    [
        (0.0, 0.0),
        (float("nan"), 1.0),
        (0.0, -1.0),
        (0.0, float("inf")),
        ((0.0, 0.0), (1.0, 0.0)),
        ((0.0, 0.0, 0.0), (1.0, 1.0)),
        ((0.0, float("nan")), (1.0, 1.0)),
    ],
)
def test_statistics_that_would_make_nonsense_are_refused(values):
    with pytest.raises(ValueError):
        Statistics(*values)


def test_dropout_and_batch_statistics_are_off(wing, made):
    assert np.array_equal(made.embed(*wing.example), made.embed(*wing.example))
    assert not any(weight.requires_grad for weight in made.encoder.parameters())


def test_any_rate_and_layout_of_the_same_sound_gives_nearly_the_same_embedding(bundle):
    wanted = bundle.embed(sine(1), 16_000)
    close = {"rtol": 0, "atol": 0.02 * float(np.abs(wanted).max())}
    assert np.allclose(bundle.embed(sine(1, 44_100), 44_100), wanted, **close)
    assert np.array_equal(bundle.embed(np.stack([sine(1)] * 2), 16_000), wanted)
    assert np.array_equal(bundle.embed(torch.from_numpy(sine(1)), 16_000), wanted)
    assert np.allclose(bundle.embed((sine(1) * 32767).astype(np.int16), 16_000), wanted, **close)


@pytest.mark.parametrize("frontend", [Recipe().frontend, FonsecaConfig()])
@pytest.mark.parametrize("samples", [np.zeros(1), np.zeros(16_000), np.full(50, 0.3), sine(0.01)])
def test_one_sample_silence_and_a_constant_have_finite_embeddings(frontend, samples):
    tiny = untrained_bundle(RECIPE.model_copy(update={"frontend": frontend}), STATISTICS, seed=0)
    for rate in (8_000, 96_000):
        embedding = tiny.embed(samples, rate)
        assert embedding.shape == (32,) and np.isfinite(embedding).all()


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (np.zeros(0), 16_000),
        (np.zeros((2, 0)), 16_000),
        (np.zeros((1, 2, 3)), 16_000),
        (np.zeros((16_000, 2)), 16_000),
        (np.array([0.0, np.nan]), 16_000),
        (np.array([0.0, np.inf]), 16_000),
        (np.array(["a"]), 16_000),
        (np.zeros(10), 0),
        (np.zeros(10), 10**7),
    ],
)
def test_samples_that_are_no_sound_are_a_usage_error(bundle, samples, rate):
    with pytest.raises(UsageError) as caught:
        bundle.embed(samples, rate)
    assert isinstance(caught.value, AudiosslError) and str(caught.value)


def test_windows_are_embedded_as_if_each_were_a_file_and_the_clip_is_their_mean(bundle):
    sound = np.concatenate([sine(1), sine(1, hz=880), sine(0.5, hz=220)])
    windows = EmbeddingConfig(window_s=1.0, hop_s=0.5)
    start_s, rows = bundle.embed_windows(sound, 16_000, embedding=windows)
    assert start_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    for start, row in zip(start_s, rows, strict=True):
        first = round(start * 16_000)
        assert np.array_equal(row, bundle.embed(sound[first : first + 16_000], 16_000))
    windowed = Bundle(RECIPE.model_copy(update={"embedding": windows}), bundle.frontend, bundle.encoder, STATISTICS)
    assert np.allclose(windowed.embed(sound, 16_000), rows.mean(axis=0))


def test_frames_cover_the_sound_evenly(bundle):
    times, frames = bundle.embed_frames(sine(2), 16_000)
    assert frames.shape == (len(times), bundle.encoder.frame_dim)
    assert np.allclose(np.diff(times), 2 / len(times)) and times[0] == pytest.approx(1 / len(times))


def test_bf16_stays_close_to_float32(bundle):
    x_BS = torch.from_numpy(np.stack([sine(1), sine(1, hz=900)]))
    exact, rough = bundle.encode(x_BS), bundle.encode(x_BS, bf16=True)
    assert rough.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact, rough).min() > 0.999


@pytest.mark.parametrize(
    "encoder", [ResNet18Config(), VggLikeConfig(), CrnnConfig(), AudioNtt2022Config(dim=1056, hidden=32)]
)
def test_every_encoder_comes_back_from_its_file(tmp_path: Path, encoder):
    made = untrained_bundle(Recipe(encoder=encoder), STATISTICS, seed=0)
    path = tmp_path / "e.safetensors"
    save_bundle(path, encoder=made.encoder, recipe=made.recipe, statistics=STATISTICS)
    loaded = load_bundle(path)
    assert np.array_equal(loaded.embed(sine(0.7), 16_000), made.embed(sine(0.7), 16_000))
    assert loaded.recipe.encoder == encoder
