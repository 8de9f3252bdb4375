"""F21: a fetch killed with SIGKILL at any moment shows no half set, and the same command completes it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audiossl.data.fetch_plan import RECORD
from tests.data.remote_sets import fsd_manifest
from tests.data.web import served

SCRIPT = Path(__file__).with_name("killed_fetch.py")
ROOT = SCRIPT.parents[2]


def run(manifest: Path, folder: Path, moment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, str(SCRIPT), str(manifest), str(folder), moment]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zip") is None, reason="needs the tool `zip`")
def test_a_fetch_killed_again_and_again_completes(tmp_path):
    folder = tmp_path / "out/set"
    with served() as site:
        manifest = fsd_manifest(tmp_path, site, frames=32_000, split="256k")
        for moment in ("download:300000", "member:300", "unpacked", "moved"):
            assert run(manifest, folder, moment).returncode == -signal.SIGKILL, moment
            assert not folder.exists(), moment
        first = [asked for path, asked in site.log if "audio.z01" in path]
        assert first == [None], "what was there and verified was not asked for again"
        done = run(manifest, folder, "none")
        assert done.returncode == 0, done.stderr
        assert f"--on {manifest} --data {folder}" in done.stdout
        assert sorted(path.name for path in folder.iterdir()) == [RECORD, "audio", "doc", "truth"]
        assert [path.name for path in folder.parent.iterdir()] == ["set"], "nothing is left behind"
        again = run(manifest, folder, "none")
        assert (again.returncode, "already" in again.stdout) == (0, True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zip") is None, reason="needs the tool `zip`")
def test_a_download_killed_midway_is_continued_with_the_missing_bytes(tmp_path):
    folder = tmp_path / "out/set"
    with served() as site:
        manifest = fsd_manifest(tmp_path, site, frames=32_000, split="256k")
        content = {path: len(body) for path, body in site.files.items()}
        assert run(manifest, folder, "download:100000").returncode == -signal.SIGKILL
        (part,) = (tmp_path / "out/set-archives").glob("*.part")
        kept = part.stat().st_size
        name = f"/files/{part.name.removesuffix('.part')}"
        assert 0 < kept < content[name]
        site.log.clear()
        assert run(manifest, folder, "none").returncode == 0
        assert [asked for path, asked in site.log if path.startswith(name)] == [f"bytes={kept}-"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zip") is None, reason="needs the tool `zip`")
def test_a_fetch_killed_when_the_folder_is_there_cleans_up(tmp_path):
    folder = tmp_path / "out/set"
    with served() as site:
        manifest = fsd_manifest(tmp_path, site, frames=32_000, split="256k")
        assert run(manifest, folder, "renamed").returncode == -signal.SIGKILL
        assert folder.is_dir()
        assert sorted(path.name for path in folder.parent.iterdir()) != ["set"]
        site.log.clear()
        assert run(manifest, folder, "none").returncode == 0
        assert site.log == []
        assert [path.name for path in folder.parent.iterdir()] == ["set"]
