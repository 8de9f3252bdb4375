"""Methods with state through a real run: killed in mid-epoch and resumed, they end with the bits of a whole one."""

from __future__ import annotations

import pytest
import torch

from audiossl.recipe.schema import Recipe
from audiossl.training.checkpoint import read_checkpoint
from audiossl.training.pretrain import pretrain
from tests.training.conftest import tiny_recipe
from tests.training.test_pretrain import killed_at

MIXING = {"spectrogram": [{"name": "normalise"}, {"name": "log_mixup_exp"}, {"name": "canvas_crop"}]}
HEAD = "16 bn relu 8"
SIMCLR = {"name": "simclr", "head": HEAD}
RECIPES = {
    "moco": {"method": {"name": "moco", "head": "16 relu 8", "queue": 12, "momentum": 0.9}},
    "npid": {"method": {"name": "npid", "head": "8", "negatives": 5, "form": "nce"}},
    "swav": {
        "method": {"name": "swav", "head": HEAD, "prototypes": 8, "queue": 16, "queue_start": 1, "short_crops": 2}
    },
    "deepcluster_v2": {"method": {"name": "deepcluster_v2", "head": HEAD, "clusters": 4, "short_crops": 0}},
    "sela": {"method": {"name": "sela", "clusters": 4, "updates": 3}},
    "byol with the mixing memory of BYOL-A": {
        "method": {"name": "byol", "head": HEAD, "predictor": HEAD},
        "views": MIXING,
    },
    "combined": {
        "method": {
            "name": "combined",
            "parts": [{"method": SIMCLR}, {"method": {"name": "transforms"}, "weight": 0.5}],
        }
    },
}
KILLED = 5
"""With three batches an epoch and a checkpoint every two steps the run goes on from step 4, inside the second epoch."""


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
def test_a_run_killed_in_mid_epoch_ends_with_the_same_bits(sounds, tmp_path, monkeypatch, changes):
    recipe = Recipe.model_validate({**tiny_recipe(sounds).model_dump(mode="json"), **changes})
    pretrain(recipe, tmp_path / "whole")
    killed_at(KILLED, recipe, tmp_path / "parts", monkeypatch)
    assert read_checkpoint(tmp_path / "parts/checkpoints/last.ckpt")["step"] == 4
    assert pretrain(recipe, tmp_path / "parts").steps == 6
    whole, parts = (read_checkpoint(tmp_path / name / "checkpoints/last.ckpt") for name in ("whole", "parts"))
    for part in ("method", "views", "optimiser"):
        torch.testing.assert_close(parts[part], whole[part], rtol=0, atol=0)
