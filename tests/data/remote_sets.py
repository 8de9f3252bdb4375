"""Tiny made-up data sets in the layouts of real ones, served as archives."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.data.web import Site

LABELS = ("dog", "rain")


def sound(number: int, frames: int = 400) -> bytes:
    """A short WAV, each another."""
    file = io.BytesIO()
    noise = np.random.default_rng(number).uniform(-0.5, 0.5, frames)
    soundfile.write(file, noise, 8000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def esc_like(n: int = 8, top: str = "ESC-50-master/") -> dict[str, bytes]:
    """A repository's archive: one folder around all."""
    names = [f"{i // 2 % 2 + 1}-{i}-A-{i % 2}.wav" for i in range(n)]
    rows = [f"{name},{name[0]},{LABELS[i % 2]},{i}" for i, name in enumerate(names)]
    table = "filename,fold,category,src_file\n" + "\n".join(rows) + "\n"
    sounds = {f"{top}audio/{name}": sound(i) for i, name in enumerate(names)}
    return {f"{top}meta/esc50.csv": table.encode(), f"{top}README.md": b"read me", **sounds}


def esc_manifest(folder: Path, site: Site, content: bytes, n: int = 8, **remote: Any) -> Path:
    """The manifest of `esc_like`, its archive on the server."""
    site.files["/archive/master.zip"] = content
    part = {"url": f"{site.address}/archive/master.zip", "md5": hashlib.md5(content).hexdigest()}
    return write(
        folder / "tiny.yaml",
        name="tiny",
        remotes={"archive": {"kind": "zip", **remote, "parts": [{**part, **remote.get("parts", [{}])[0]}]}},
        items=[
            {
                "from": "csv",
                "file": "meta/esc50.csv",
                "path": "audio/{filename}",
                "labels": {"column": "category"},
                "fold": {"column": "fold"},
                "group": {"column": "src_file"},
            }
        ],
        expect={"items": n, "classes": 2},
    )


def fsd_manifest(folder: Path, site: Site, n: int = 12, frames: int = 8000, split: str = "64k") -> Path:
    """As FSD50K is: sounds in a split zip, tables in a zip, a document as it is."""
    work = folder / "made"
    (work / "audio").mkdir(parents=True)
    for i in range(n):
        (work / "audio" / f"{i}.wav").write_bytes(sound(i, frames))
    subprocess.run(["zip", "-q", "-r", "-s", split, "audio.zip", "audio"], cwd=work, check=True)
    parts = sorted(work.glob("audio.z*"))
    table = "fname,label,split\n" + "".join(f"{i},{LABELS[i % 2]},{('train', 'test')[i % 3 == 0]}\n" for i in range(n))
    served = {path.name: path.read_bytes() for path in parts}
    served |= {"truth.zip": zipped({"truth/dev.csv": table.encode()}), "README.txt": b"how it was made"}
    site.files |= {f"/files/{name}": content for name, content in served.items()}

    def told(name: str) -> dict[str, Any]:
        content = served[name]
        sha256 = hashlib.sha256(content).hexdigest()
        return {"url": f"{site.address}/files/{name}?download=1", "sha256": sha256, "bytes": len(content)}

    return write(
        folder / "fsd.yaml",
        name="fsd",
        remotes={
            "audio": {"kind": "multipart_zip", "parts": [told(path.name) for path in parts]},
            "truth": {"kind": "zip", "parts": [told("truth.zip")]},
            "doc": {"kind": "file", "unpack_to": "doc", "parts": [told("README.txt")]},
        },
        items=[
            {
                "from": "csv",
                "file": "truth/dev.csv",
                "path": "audio/{fname}.wav",
                "labels": {"column": "label"},
                "split": {"column": "split"},
            }
        ],
        expect={"items": n, "classes": 2, "splits": {"test": n // 3}},
    )


def write(path: Path, **said: Any) -> Path:
    """A manifest; JSON is YAML too."""
    licence = {"dataset": "CC-BY-NC-4.0", "commercial": "no", "notes": "some clips are CC0"}
    fixed = {"schema": "audiossl/manifest@1", "version": "1.0", "license": licence, "homepage": "https://example.org"}
    path.write_text(json.dumps({**fixed, **said}, indent=1))
    return path
