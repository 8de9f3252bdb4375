"""`audiossl doctor`: what this installation stands on, and the fix for each thing that is wrong."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl.devices import cores, multiplies_bf16
from audiossl_cli.console import emit, emit_json, emit_table

if TYPE_CHECKING:
    import torch

DISTRIBUTION = "audiossl-toolkit"
NAMESAKE = "audiossl"
"""The ATST library's distribution, which installs an import package of the same name as ours."""
LIBRARIES = ("torch", "torchaudio", "lightning", "numpy", "soundfile", "soxr", "librosa", "scikit-learn", "pyarrow")
EXTRAS = {"timm": ("timm", "the encoder `timm`"), "sentence-transformers": ("text", "the text encoder of that name")}
"""Library to the extra that brings it, and what needs it."""
FORMATS = {"WAV": ".wav", "FLAC": ".flac", "OGG": ".ogg", "MP3": ".mp3", "AIFF": ".aiff"}
MIN_FREE_GB = 2.0
EXIT_PROBLEMS = 3


@dataclass(frozen=True)
class Finding:
    """One line of the report; `fix` says what to do when something is wrong."""

    what: str
    value: str
    fix: str | None = None


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this installation: versions, device, formats, disk; say how to mend what is wrong (then exit code 3).

    Example: audiossl doctor
    """
    findings = [*versions(), *namesake(), *extras(), *device(), *formats(), *places()]
    problems = [finding for finding in findings if finding.fix]
    if as_json:
        emit_json({"ok": not problems, "findings": [asdict(finding) for finding in findings]})
    else:
        emit_table(["", "what", "found"], [["!" if f.fix else "", f.what, f.value] for f in findings])
        for finding in problems:
            emit(f"! {finding.what}: {finding.fix}")
        if not problems:
            emit("Nothing is wrong.")
    if problems:
        raise typer.Exit(EXIT_PROBLEMS)


def versions() -> Iterator[Finding]:
    """Python and the libraries, as installed."""
    python = sys.version.split()[0]
    old = sys.version_info < (3, 10)
    yield Finding("Python", python, "install Python 3.10 or newer" if old else None)
    for name in LIBRARIES:
        version = installed(name)
        missing = f"run: python -m pip install --upgrade {DISTRIBUTION}"
        yield Finding(name, version or "missing", None if version else missing)
    try:
        import torchaudio  # noqa: F401 - its compiled part loads only beside the torch it was built for
    except (ImportError, OSError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        fix = "torch and torchaudio do not fit together; run: python -m pip install -c constraints.txt torch torchaudio"
        yield Finding("torchaudio with torch", f"does not load: {reason}", fix)


def namesake() -> Iterator[Finding]:
    """The other library called audiossl, whose files overwrite ours."""
    version = installed(NAMESAKE)
    if version:
        fix = (
            f"another project, which overwrites our package; run: python -m pip uninstall {NAMESAKE}, "
            f"then: python -m pip install --force-reinstall --no-deps {DISTRIBUTION}"
        )
        yield Finding("foreign distribution `audiossl`", version, fix)


def extras() -> Iterator[Finding]:
    """Optional libraries; missing ones are no problem until they are asked for."""
    for name, (extra, purpose) in EXTRAS.items():
        hint = f"not installed; {purpose} needs: python -m pip install '{DISTRIBUTION}[{extra}]'"
        yield Finding(f"{name} (optional)", installed(name) or hint)


def device() -> Iterator[Finding]:
    """Where training would run, and in which precision."""
    yield Finding("CPU cores", str(cores()))
    try:
        import torch
    except (ImportError, OSError):
        return  # `versions` has reported it
    flags = cpu_flags() & {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16", "sve"}
    yield Finding("CPU instructions", " ".join(sorted(flags)) or "unknown")
    yield Finding("bf16 on the CPU", bf16(torch.device("cpu")))
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        yield Finding("CUDA", f"{torch.cuda.get_device_name()}, capability {major}.{minor}, CUDA {torch.version.cuda}")
        yield Finding("bf16 on the GPU", bf16(torch.device("cuda")))
    elif shutil.which("nvidia-smi"):
        yield Finding("CUDA", "torch sees no device", "update the NVIDIA driver to one that supports this torch's CUDA")
    else:
        yield Finding("CUDA", "no device")
    if torch.backends.mps.is_available():
        yield Finding("MPS", "available")


def bf16(device: torch.device) -> str:
    """Whether `device` multiplies bfloat16 in hardware, in words."""
    return "in hardware" if multiplies_bf16(device) else "emulated: 32-bit is faster"


def formats() -> Iterator[Finding]:
    """Which sound files can be read."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        yield Finding("libsndfile", f"does not load: {error}", "run: python -m pip install --upgrade soundfile")
        return
    readable = soundfile.available_formats()
    missing = [suffix for name, suffix in FORMATS.items() if name not in readable]
    found = " ".join(suffix for name, suffix in FORMATS.items() if name in readable)
    fix = f"cannot read {' '.join(missing)}; run: python -m pip install --upgrade soundfile" if missing else None
    yield Finding("libsndfile", soundfile.__libsndfile_version__)
    yield Finding("readable formats", found, fix)


def places() -> Iterator[Finding]:
    """Where files are written, and how much room there is."""
    import tempfile

    from audiossl.files import cache_folder

    cache = cache_folder()
    folders = {"this folder": Path.cwd(), "temporary folder": Path(tempfile.gettempdir()), "cache folder": cache}
    for what, folder in folders.items():
        there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
        free_gb = shutil.disk_usage(there).free / 1e9
        fix = None
        if not os.access(there, os.W_OK):
            fix = "it cannot be written; run in another folder, or set TMPDIR or AUDIOSSL_CACHE"
        elif free_gb < MIN_FREE_GB:
            fix = f"less than {MIN_FREE_GB:g} GB are free; free some space or work elsewhere"
        yield Finding(what, f"{folder} ({free_gb:.0f} GB free)", fix)


def installed(name: str) -> str | None:
    """The version of an installed distribution."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpu_flags() -> set[str]:
    """The CPU's instruction sets as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split(":")[-1].split()}
