"""Folders and tables for the tests of manifests."""

from __future__ import annotations

from pathlib import Path


def sounds(folder: Path, *names: str) -> Path:
    """Empty files: finding and listing never opens a sound."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def table(folder: Path, *lines: str, name: str = "mine.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name
