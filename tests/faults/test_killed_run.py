"""F22, F23: killed with SIGKILL at three moments, one inside a checkpoint write, the weights come out the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
import torch

from audiossl.training.checkpoint import read_checkpoint
from tests.training.conftest import own_cache, sounds  # noqa: F401 - fixtures

SCRIPT = Path(__file__).with_name("killed_run.py")
ROOT = SCRIPT.parents[2]


def run(sounds_folder: Path, out: Path, workers: int, moment: str) -> int:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
        "MARK": str(out),
    }
    command = [sys.executable, str(SCRIPT), str(sounds_folder), str(out), str(workers), moment]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("workers", [0, 2])
def test_weights_after_three_kills_are_those_of_an_uninterrupted_run(sounds, tmp_path, workers):  # noqa: F811
    assert run(sounds, tmp_path / "whole", 0, "none") == 0
    for moment in ("step:5", "write:3", "rename:2"):
        assert run(sounds, tmp_path / "killed", workers, moment) == -signal.SIGKILL, moment
        assert not (tmp_path / "killed/encoder.safetensors").exists()
    assert run(sounds, tmp_path / "killed", workers, "none") == 0
    whole, killed = (read_checkpoint(tmp_path / name / "checkpoints/last.ckpt") for name in ("whole", "killed"))
    torch.testing.assert_close(killed["method"], whole["method"], rtol=0, atol=0)
    torch.testing.assert_close(killed["optimiser"]["state"], whole["optimiser"]["state"], rtol=0, atol=0)
    digests = [weights_digest(tmp_path / name / "encoder.safetensors") for name in ("whole", "killed")]
    assert digests[0] == digests[1]


def weights_digest(bundle: Path) -> str:
    """SHA-256 of the tensors alone: the metadata say when and how fast they were made."""
    content = bundle.read_bytes()
    header = int.from_bytes(content[:8], "little")
    return sha256(content[8 + header :]).hexdigest()


@pytest.mark.slow
def test_a_killed_run_leaves_no_workers_behind(sounds, tmp_path):  # noqa: F811
    mark = str(tmp_path / "killed")
    assert run(sounds, tmp_path / "killed", 2, "step:5") == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while orphans := [
        p.pid for p in psutil.process_iter(["environ"]) if mark in str((p.info["environ"] or {}).values())
    ]:
        assert time.monotonic() < deadline, f"still there after 30 s: {orphans}"
        time.sleep(0.5)
