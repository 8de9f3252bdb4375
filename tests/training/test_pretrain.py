"""A run from files to a bundle: what it refuses, what it survives, and that it resumes bit for bit."""

from __future__ import annotations

import csv
import json
import os
import signal

import pytest
import torch
from filelock import FileLock
from lightning.pytorch import Callback
from safetensors.torch import load_file

from audiossl.bundle.load import load_bundle
from audiossl.errors import AudioError, DataError, TrainingDiverged, UsageError
from audiossl.methods.contrastive import SimClr
from audiossl.training import pretrain as module
from audiossl.training.checkpoint import read_checkpoint
from audiossl.training.clips import ClipReader
from audiossl.training.pretrain import pretrain
from tests.training.conftest import tiny_recipe


class Killed(Exception):  # noqa: N818
    """Stands for a kill: nothing after it runs."""


class KillAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, learner, outputs, batch, batch_idx):
        if learner.step == self.step:
            raise Killed


def killed_at(step: int, recipe, out, monkeypatch) -> None:
    """Run until just after `step` steps; like a kill, nothing is saved on the way out."""
    with monkeypatch.context() as patch:
        fit = module._fit
        patch.setattr(module, "_fit", lambda p, le, f, callbacks, d: fit(p, le, f, [*callbacks, KillAt(step)], d))
        with pytest.raises(Killed):
            pretrain(recipe, out)


def weights(path) -> dict[str, torch.Tensor]:
    return load_file(path)


def assert_same_weights(a, b) -> None:
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different


def test_a_folder_of_sounds_becomes_a_bundle(recipe, tmp_path):
    result = pretrain(recipe, tmp_path / "run")
    assert (result.steps, result.failures, result.stopped_by) == (6, [], None)
    bundle = load_bundle(result.bundle)
    assert bundle.embedding_dim == 16
    assert bundle.statistics.items == 24
    fresh = read_checkpoint(tmp_path / "run/checkpoints/last.ckpt")["method"]
    assert torch.equal(fresh["encoder.fc.0.weight"], bundle.encoder.state_dict()["fc.0.weight"])
    rows = list(csv.DictReader(next((tmp_path / "run/logs").glob("*/metrics.csv")).read_text().splitlines()))
    assert {"loss", "lr", "clips_per_s", "monitor/rank"} <= set(rows[0])


def test_training_changes_the_weights_and_the_seed_decides_them(sounds, tmp_path):
    pretrain(tiny_recipe(sounds), tmp_path / "a")
    pretrain(tiny_recipe(sounds), tmp_path / "b")
    pretrain(tiny_recipe(sounds, seed=1), tmp_path / "c")
    assert_same_weights(tmp_path / "a/encoder.safetensors", tmp_path / "b/encoder.safetensors")
    a, c = (weights(tmp_path / f"{name}/encoder.safetensors")["encoder.fc.0.weight"] for name in "ac")
    assert not torch.equal(a, c)


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_run_killed_anywhere_and_resumed_equals_the_uninterrupted_one(recipe, sounds, tmp_path, step, monkeypatch):
    pretrain(recipe, tmp_path / "whole")
    killed_at(step, recipe, tmp_path / "parts", monkeypatch)
    result = pretrain(recipe, tmp_path / "parts")
    assert result.steps == 6
    assert_same_weights(tmp_path / "whole/encoder.safetensors", tmp_path / "parts/encoder.safetensors")


def test_the_number_of_workers_may_change_on_the_way(sounds, tmp_path, monkeypatch):
    pretrain(tiny_recipe(sounds), tmp_path / "whole")
    killed_at(3, tiny_recipe(sounds, data={"workers": 0}), tmp_path / "parts", monkeypatch)
    pretrain(tiny_recipe(sounds, data={"workers": 2}), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole/encoder.safetensors", tmp_path / "parts/encoder.safetensors")


def test_decoding_in_advance_and_on_the_fly_differ_by_rounding_only(sounds, tmp_path):
    pretrain(tiny_recipe(sounds, data={"cache": "on"}), tmp_path / "a")
    pretrain(tiny_recipe(sounds, data={"cache": "off", "workers": 0}), tmp_path / "b")
    a, b = (weights(tmp_path / f"{name}/encoder.safetensors") for name in "ab")
    assert all(torch.allclose(a[name].float(), b[name].float(), atol=0.05) for name in a)


def test_accumulated_batches_resume_exactly_too(sounds, tmp_path, monkeypatch):
    recipe = tiny_recipe(sounds, training={"accumulate": 2, "steps": 4})
    pretrain(recipe, tmp_path / "whole")
    killed_at(3, recipe, tmp_path / "parts", monkeypatch)
    pretrain(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole/encoder.safetensors", tmp_path / "parts/encoder.safetensors")


def test_a_finished_run_is_not_trained_again(recipe, tmp_path, monkeypatch):
    first = pretrain(recipe, tmp_path / "run")
    monkeypatch.setattr(module, "_fit", lambda *_: pytest.fail("trained again"))
    assert pretrain(recipe, tmp_path / "run").bundle == first.bundle


def test_another_recipe_in_the_same_folder_is_refused_with_the_difference(sounds, tmp_path):
    pretrain(tiny_recipe(sounds), tmp_path / "run")
    with pytest.raises(UsageError, match=r"method\.temperature: 0\.5"):
        pretrain(tiny_recipe(sounds, method={"temperature": 0.5}), tmp_path / "run")
    assert pretrain(tiny_recipe(sounds, method={"temperature": 0.5}), tmp_path / "run", fresh=True).steps == 6


def test_other_data_in_the_same_folder_are_refused(recipe, sounds, tmp_path):
    pretrain(recipe, tmp_path / "run")
    (sounds / "00.wav").rename(sounds / "renamed.wav")
    with pytest.raises(UsageError, match="other data"):
        pretrain(recipe, tmp_path / "run")


def test_a_folder_with_other_things_in_it_is_left_alone(recipe, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("years of work")
    for fresh in (False, True):
        with pytest.raises(UsageError, match="holds other files"):
            pretrain(recipe, tmp_path / "thesis", fresh=fresh)
    assert (tmp_path / "thesis/chapter.txt").read_text() == "years of work"


@pytest.mark.parametrize("cache", ["on", "off"])
def test_a_bad_file_takes_no_part_and_is_listed(sounds, tmp_path, cache):
    (sounds / "05.wav").write_bytes(b"not a sound")
    heard: list[str] = []
    result = pretrain(tiny_recipe(sounds, data={"cache": cache, "workers": 0}), tmp_path / "run", say=heard.append)
    assert result.steps == 6
    assert [failure.path for failure in result.failures] == [str(sounds / "05.wav")]
    listed = (tmp_path / "run/failures.csv").read_text()
    assert "05.wav" in listed
    assert any("failures.csv" in sentence for sentence in heard)


def test_fewer_clips_than_a_batch_is_said_before_anything_is_written(sounds, tmp_path):
    with pytest.raises((DataError, UsageError, Exception), match=r"larger than the data \(24 clips\)"):
        pretrain(tiny_recipe(sounds, training={"batch_size": 64}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_before_the_update(recipe, tmp_path, monkeypatch):
    loss = SimClr.loss

    def poisoned(self, views, index, at):
        losses = loss(self, views, index, at)
        return {"loss": losses["loss"] * (float("nan") if at.step == 3 else 1)}

    monkeypatch.setattr(SimClr, "loss", poisoned)
    with pytest.raises(TrainingDiverged, match="step 3: the loss is nan") as caught:
        pretrain(recipe, tmp_path / "run")
    assert caught.value.exit_code == 5
    state = read_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    assert state["step"] == 2
    assert all(torch.isfinite(value).all() for value in state["method"].values())
    report = json.loads((tmp_path / "run/diverged.json").read_text())
    assert report["step"] == 3
    assert len(report["clips"]) == 8


def test_labels_never_reach_the_loss(sounds, tmp_path):
    with (tmp_path / "labelled.csv").open("w") as file:
        file.write("path,label\n" + "".join(f"sounds/{n:02}.wav,{n % 3}\n" for n in range(24)))
    recipe = tiny_recipe(sounds)
    labelled = recipe.model_copy(
        update={"data": recipe.data.model_copy(update={"manifest": str(tmp_path / "labelled.csv")})}
    )
    plain = pretrain(recipe, tmp_path / "plain")
    told = pretrain(labelled, tmp_path / "told")
    assert told.health.knn is not None
    assert plain.health.knn is None
    assert_same_weights(tmp_path / "plain/encoder.safetensors", tmp_path / "told/encoder.safetensors")


class SignalAt(Callback):
    def on_train_batch_end(self, trainer, learner, outputs, batch, batch_idx):
        if learner.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)


def test_told_to_stop_it_saves_and_the_next_call_goes_on(recipe, tmp_path, monkeypatch):
    pretrain(recipe, tmp_path / "whole")
    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        fit = module._fit
        patch.setattr(module, "_fit", lambda p, le, f, callbacks, d: fit(p, le, f, [SignalAt(), *callbacks], d))
        stopped = pretrain(recipe, tmp_path / "parts")
    assert (stopped.stopped_by, stopped.steps, stopped.bundle) == (signal.SIGTERM, 3, None)
    assert read_checkpoint(tmp_path / "parts/checkpoints/last.ckpt")["step"] == 3
    assert signal.getsignal(signal.SIGTERM) == handler
    pretrain(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole/encoder.safetensors", tmp_path / "parts/encoder.safetensors")


def test_a_second_run_in_the_same_folder_is_refused(recipe, tmp_path):
    with FileLock(tmp_path / ".run.lock"), pytest.raises(UsageError, match="another process is training here"):
        pretrain(recipe, tmp_path / "run")


def test_several_devices_are_refused_before_anything_is_written(sounds, tmp_path):
    with pytest.raises(UsageError, match=r"training\.devices"):
        pretrain(tiny_recipe(sounds, training={"devices": 2}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_files_that_open_but_do_not_decode_are_said_in_words(sounds, tmp_path, monkeypatch):
    def broken(self, index):
        raise AudioError(self.paths[index], "lost sync")

    monkeypatch.setattr(ClipReader, "__call__", broken)
    with pytest.raises(DataError, match="none of the files can be decoded"):
        pretrain(tiny_recipe(sounds, data={"cache": "off", "workers": 0}), tmp_path / "run")


def test_a_clip_that_opens_but_does_not_decode_never_stops_a_run(sounds, tmp_path, monkeypatch):
    read = ClipReader.__call__

    def one_broken(self, index):
        if index == 5:
            raise AudioError(self.paths[index], "lost sync")
        return read(self, index)

    monkeypatch.setattr(ClipReader, "__call__", one_broken)
    result = pretrain(tiny_recipe(sounds, data={"cache": "off", "workers": 0}), tmp_path / "run")
    assert result.steps == 6
    assert [(failure.index, failure.cause) for failure in result.failures] == [(5, "lost sync")]
