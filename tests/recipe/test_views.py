from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from audiossl.recipe import spectrogram_views, waveform_views
from audiossl.recipe.views import ViewsConfig

CONFIGS: list[type[BaseModel]] = [
    config
    for module in (spectrogram_views, waveform_views)
    for name, config in vars(module).items()
    if name.endswith("Config") and name not in ("Config", "ViewConfig")
]


def test_chain_without_normalise_is_refused() -> None:
    with pytest.raises(
        ValidationError, match=r"the chain has 0 views named normalise; write `- name: normalise` exactly"
    ):
        ViewsConfig.model_validate({"spectrogram": [{"name": "blur"}]})


def test_chain_with_two_is_refused() -> None:
    with pytest.raises(ValidationError, match="the chain has 2 views named normalise"):
        ViewsConfig.model_validate({"spectrogram": [{"name": "normalise"}, {"name": "normalise"}]})


def test_views_are_told_apart_by_name() -> None:
    config = ViewsConfig.model_validate(
        {
            "waveform": [{"name": "gain", "p": 0.3, "gain_db": [-3, 3]}],
            "spectrogram": [{"name": "time_warp", "max_frames": 7}, {"name": "normalise"}],
        }
    )
    assert config.waveform == [waveform_views.GainConfig(p=0.3, gain_db=(-3, 3))]
    assert config.spectrogram[0] == spectrogram_views.TimeWarpConfig(max_frames=7)
    assert ViewsConfig.model_validate(config.model_dump(mode="json")) == config


def test_unknown_view_is_refused() -> None:
    with pytest.raises(ValidationError, match="mix_bakc"):
        ViewsConfig.model_validate({"spectrogram": [{"name": "mix_bakc"}]})


def test_range_that_runs_downwards_is_refused_with_what_to_write() -> None:
    with pytest.raises(ValidationError, match=r"the range \[9, 3\] runs downwards; write \[3, 9\]"):
        waveform_views.WhiteNoiseConfig(snr_db=(9, 3))


@pytest.mark.parametrize("config", CONFIGS)
def test_every_view_is_named_after_its_class_and_every_field_says_what_it_is(config: type[BaseModel]) -> None:
    snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in config.__name__)
    assert config().model_dump()["name"] == snake.removeprefix("_").removesuffix("_config")
    assert config.__doc__


def test_default_parameters_are_the_papers() -> None:
    mix_back, crop, compression, noise, _ = ViewsConfig().model_dump()["spectrogram"]
    assert (mix_back["alpha"], mix_back["shared"]) == (0.05, True)
    assert (crop["scale"], crop["ratio"]) == ((0.8, 1.0), (0.75, 1.3333))
    assert (compression["alpha"], noise["std"]) == (0.75, 0.01)
