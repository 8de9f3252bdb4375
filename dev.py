"""One command from a fresh clone: `python3 dev.py demo` shows audiossl at work, `python3 dev.py test` checks it.

Needs Python 3.10 or newer and nothing else. The first call makes a private environment in `.venv` (elsewhere:
`AUDIOSSL_VENV=PATH`) and says how big it is; later calls use it. A stamp in it tells how far the set-up came and for
which requirements, so that one that was interrupted, outdated or has lost its Python is mended by the next call.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ("pyproject.toml", "constraints.txt")
STAMP = "audiossl-setup.json"
BUILDERS = ("pip", "hatchling", "editables")
USAGE = """usage: python3 dev.py TASK [ARGUMENTS]

  demo   pretrain on made-up sounds, embed, evaluate, write a report (arguments go to `audiossl demo`)
  test   ruff, mypy, import-linter, then the tests (arguments go to pytest, e.g. -k recipe)
  check  ruff, mypy and import-linter only
  setup  make or mend the private environment, nothing else"""
CHECKS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("lint-imports",),
)


class SetupError(Exception):
    """The environment could not be made; the message says what to do."""


def venv_folder() -> Path:
    """The private environment: `$AUDIOSSL_VENV`, otherwise `.venv` in the checkout."""
    return Path(os.environ.get("AUDIOSSL_VENV") or ROOT / ".venv").absolute()


def tool(venv: Path, name: str) -> str:
    """The path of a program of the environment."""
    windows = os.name == "nt"
    return str(venv / ("Scripts" if windows else "bin") / (f"{name}.exe" if windows else name))


def clean_environ(venv: Path) -> dict[str, str]:
    """The caller's environment variables without what would let foreign packages in."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    programs = str(Path(tool(venv, "python")).parent)
    path = os.pathsep.join([programs, kept.get("PATH", os.defpath)])
    return kept | {"PATH": path, "VIRTUAL_ENV": str(venv), "PYTHONNOUSERSITE": "1"}


def run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command in the checkout and give its exit code (128 + n where signal n ended it, as a shell says)."""
    code = subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode
    return 128 - code if code < 0 else code


def fingerprint() -> str:
    """A hash of everything that decides what is installed."""
    content = b"\0".join((ROOT / name).read_bytes() for name in REQUIREMENTS)
    return hashlib.sha256(content + str(ROOT).encode()).hexdigest()


def read_stamp(venv: Path) -> dict[str, str]:
    """What the last set-up wrote: `state` (making, installing, done) and `requirements`; empty where unreadable."""
    try:
        stamp = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(venv: Path, state: str) -> None:
    """Write how far the set-up is; a rename, so the stamp is never half-written."""
    part = venv / f"{STAMP}.part"
    part.write_text(json.dumps({"state": state, "requirements": fingerprint()}))
    part.replace(venv / STAMP)


def works(venv: Path) -> bool:
    """Whether the environment has a Python that starts and has pip."""
    python = tool(venv, "python")
    if not Path(python).exists():
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def make(venv: Path) -> None:
    """Make an empty environment in place of whatever was left there."""
    if venv.exists() and any(venv.iterdir()) and not any((venv / name).exists() for name in (STAMP, "pyvenv.cfg")):
        raise SetupError(f"{venv} holds other files and is left alone; set AUDIOSSL_VENV to a new folder")
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir(parents=True)
    write_stamp(venv, "making")
    # The interpreter that runs this file may itself live in an environment; `venv` copes with that.
    if subprocess.run([sys.executable, "-m", "venv", str(venv)], check=False).returncode != 0:
        raise SetupError(
            "the private environment could not be made. On Debian and Ubuntu: apt install python3-venv; "
            "then run the same command again"
        )


def forget_half_installed(venv: Path) -> None:
    """Let pip see packages whose installation was cut as missing: it writes INSTALLER only after a package's files."""
    for packages in (*venv.glob("lib/python*/site-packages"), venv / "Lib" / "site-packages"):
        for info in packages.glob("*.dist-info"):
            if not (info / "INSTALLER").exists():
                shutil.rmtree(info)


def install(venv: Path) -> None:
    """Install the project and its tools, in the versions of constraints.txt."""
    pip = [tool(venv, "python"), "-m", "pip", "install", "--quiet", "-c", "constraints.txt"]
    environ = clean_environ(venv)
    write_stamp(venv, "installing")
    # The builders come first and in fixed versions, so that building the project itself asks the network for nothing.
    for what in (["--upgrade", *BUILDERS], ["--no-build-isolation", "-e", ".[dev]"]):
        if run([*pip, *what], environ) != 0:
            raise SetupError("pip could not install everything (its reason is above); run the same command again")
    write_stamp(venv, "done")


def setup(venv: Path) -> None:
    """Make, mend or top up the environment; nothing where it is complete.

    Raises:
        SetupError: it cannot be made.
    """
    stamp = read_stamp(venv)
    usable = stamp.get("state") in {"installing", "done"} and works(venv)
    if usable and stamp == {"state": "done", "requirements": fingerprint()}:
        return
    if not usable:
        say(f"Making a private environment in {venv}: about 6 GB and 5 to 10 minutes, once.")
        make(venv)
    elif stamp["state"] == "installing":
        say(f"Finishing the private environment in {venv}, whose set-up was interrupted: up to 6 GB and 10 minutes.")
        forget_half_installed(venv)
    else:
        say(f"The requirements have changed: bringing {venv} up to date.")
    install(venv)
    say("The environment is ready.")


def check(venv: Path) -> int:
    """Run every static check; the exit code is the first failure's."""
    failures = []
    for command in CHECKS:
        say(f"$ {' '.join(command)}")
        code = run([tool(venv, command[0]), *command[1:]], clean_environ(venv))
        failures += [(code, command[0])] if code else []
    if not failures:
        return 0
    say(f"Failed: {', '.join(name for _, name in failures)}.")
    return failures[0][0]


def test(venv: Path, arguments: Sequence[str]) -> int:
    """Run the static checks, then the tests in random order, one process per core up to four."""
    code = check(venv)
    if code:
        return code
    processes = str(min(4, max(2, os.cpu_count() or 2)))
    # One thread each: numerical libraries that each take all cores slow one another down many times.
    environ = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1") | clean_environ(venv)
    say(f"$ pytest {' '.join(arguments)}")
    command = [tool(venv, "python"), "-m", "pytest", "-n", processes, "--dist", "loadscope", *arguments]
    return run(command, environ)


def say(sentence: str) -> None:
    """Print at once, so that words stand in order with those of other programs."""
    print(sentence, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Do one task and give its exit code."""
    task, *rest = arguments or [""]
    if task in {"-h", "--help", "help"}:
        say(USAGE)
        return 0
    if task not in {"demo", "test", "check", "setup"} or (rest and task in {"check", "setup"}):
        print(USAGE, file=sys.stderr)
        return 2
    venv = venv_folder()
    try:
        setup(venv)
    except (SetupError, OSError) as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dev.py: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    if task == "test":
        return test(venv, rest)
    if task == "check":
        return check(venv)
    if task == "demo":
        return run([tool(venv, "audiossl"), "demo", *rest], clean_environ(venv))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
