"""What the monitor of a run compares with: the untrained network, also after a resume."""

from __future__ import annotations

import csv

from audiossl.training import callbacks
from audiossl.training.checkpoint import read_checkpoint
from audiossl.training.monitors import Health
from audiossl.training.pretrain import pretrain
from tests.training.conftest import tiny_recipe


def test_the_untrained_network_is_measured_and_the_best_is_kept_over_a_resume(sounds, tmp_path, monkeypatch):
    compared: list[Health | None] = []
    monkeypatch.setattr(callbacks, "warning", lambda health, most, config: compared.append(most))
    recipe = tiny_recipe(sounds, training={"steps": 2, "checkpoint_every_steps": 1}, monitors={"every_epochs": 1 / 3})
    first = pretrain(recipe, tmp_path / "run")
    assert first.health is not None
    rows = list(csv.DictReader(next((tmp_path / "run/logs").glob("*/metrics.csv")).read_text().splitlines()))
    looks = [row for row in rows if row["monitor/rank"]]
    assert [int(row["step"]) for row in looks] == [0, 1, 2]
    assert [most.rank for most in compared] == [
        float(looks[0]["monitor/rank"]),
        max(float(row["monitor/rank"]) for row in looks[:2]),
    ]
    before = read_checkpoint(tmp_path / "run/checkpoints/previous.ckpt")["best"]
    assert before["rank"] == compared[0].rank
    (tmp_path / "run/checkpoints/last.ckpt").unlink()
    (tmp_path / "run/encoder.safetensors").unlink()
    pretrain(recipe, tmp_path / "run")
    assert compared[2:] == [Health(**before)]
