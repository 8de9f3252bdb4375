"""A teacher moves once per optimiser step, a queue once per batch, however many batches a step accumulates."""

from __future__ import annotations

import pytest
import torch

from audiossl.methods.base import At
from audiossl.methods.state import Teacher, ema_momentum
from audiossl.training.checkpoint import read_checkpoint
from audiossl.training.pretrain import pretrain
from tests.training.conftest import tiny_recipe

BYOL = {"name": "byol", "head": "16 bn relu 8", "predictor": "16 bn relu 8", "momentum": 0.9}
MOCO = {"name": "moco", "head": "16 relu 8", "queue": 11, "momentum": 0.9}


@pytest.fixture
def momenta(monkeypatch) -> list[float]:
    """The momentum of every update, in order."""
    seen: list[float] = []
    update = Teacher.update

    def watched(self, student, momentum):
        seen.append(momentum)
        update(self, student, momentum)

    monkeypatch.setattr(Teacher, "update", watched)
    return seen


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_the_teacher_moves_once_per_optimiser_step_along_its_schedule(sounds, tmp_path, momenta, accumulate):
    recipe = tiny_recipe(sounds, method=BYOL, training={"accumulate": accumulate, "steps": 4})
    pretrain(recipe, tmp_path / "run")
    assert momenta == [ema_momentum(0.9, 1.0, At(step, 4, 0.0)) for step in range(4)]


def test_the_teacher_of_a_run_is_the_average_of_its_students(sounds, tmp_path, monkeypatch):
    seen, update = [], Teacher.update

    def watched(self, student, momentum):
        modules = [student] if seen else [self, student]
        seen.extend([p.detach().clone() for p in module.parameters()] for module in modules)
        update(self, student, momentum)

    monkeypatch.setattr(Teacher, "update", watched)
    pretrain(tiny_recipe(sounds, method=MOCO, training={"accumulate": 2, "steps": 4}), tmp_path / "run")
    state = read_checkpoint(tmp_path / "run/checkpoints/last.ckpt")["method"]
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    teacher = [state[name] for name in state if name.startswith("teacher.") and not name.endswith(buffers)]
    expected, *students = seen
    assert len(students) == 4
    for student in students:
        expected = [0.9 * old + 0.1 * new for old, new in zip(expected, student, strict=True)]
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(teacher, expected, strict=True))
    assert int(state["queue.pushed"]) == 4 * 2 * 8
