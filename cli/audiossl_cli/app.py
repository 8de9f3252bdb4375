"""The command `audiossl`: gathers the commands, and turns errors into sentences and exit codes.

Nothing here or in a command's module imports torch, NumPy or pydantic before the command runs: `--help` is instant.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from audiossl.errors import AudiosslError
from audiossl_cli import data, embeddings, importing, recipe
from audiossl_cli.compare import compare
from audiossl_cli.console import emit, say
from audiossl_cli.demo import demo
from audiossl_cli.doctor import doctor
from audiossl_cli.embed import embed
from audiossl_cli.evaluate import evaluate
from audiossl_cli.methods import methods
from audiossl_cli.pretrain import pretrain
from audiossl_cli.protocols import protocols
from audiossl_cli.search import search

DEBUG = "--debug"

app = typer.Typer(
    name="audiossl",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    suggest_commands=True,
    epilog="Words go to stderr, results to stdout. The same command again continues what was interrupted.",
)
for command in (pretrain, embed, search, evaluate, compare, protocols, methods, demo, doctor):
    app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(embeddings.app, name="embeddings")
app.add_typer(recipe.app, name="recipe")
app.add_typer(importing.app, name="import")


def show_version(asked: bool) -> None:
    """Print the versions that matter, read from the installed packages' metadata, and leave."""
    if not asked:
        return
    from importlib.metadata import PackageNotFoundError, version

    from audiossl.version import __version__

    try:
        torch = f"torch {version('torch')}"
    except PackageNotFoundError:
        torch = "torch is not installed"
    emit(f"audiossl {__version__} ({torch}, Python {sys.version.split()[0]})")
    raise typer.Exit


@app.callback()
def audiossl(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show tracebacks; works after a command too.")] = False,
) -> None:
    """Self-supervised learning of sound, and of pictures: pretrain an encoder, embed files, evaluate the embeddings.

    Example: audiossl pretrain audio/esc50_simclr --on my_sounds/ --out runs/mine
    """


def main() -> NoReturn:
    """Run the command line of this process and leave with its exit code."""
    debug = DEBUG in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    for stream in (sys.stdout, sys.stderr):
        # A file name that is not valid text must not end a run just because it is printed.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    raise SystemExit(run(arguments, debug=debug))


def run(arguments: list[str], *, debug: bool = False) -> int:
    """Run a command line and give its exit code; errors become sentences on stderr.

    Args:
        arguments: what follows `audiossl`.
        debug: also print the traceback of whatever went wrong.
    """
    try:
        app(arguments, prog_name="audiossl")
    except SystemExit as done:
        return finish(done.code if isinstance(done.code, int) else int(done.code is not None))
    except AudiosslError as error:
        if debug:
            say(traceback())
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted; the same command continues")
        return 130
    except Exception as error:
        if debug:
            say(traceback())
        else:
            say(f"audiossl failed in a way it should not: {summary(error)}. The traceback is in {save_traceback()}")
        return 1
    return finish(0)


def finish(code: int) -> int:
    """Write out what is still buffered; a reader that has gone away (`| head`) is no error worth words."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends; that goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or 1
    return code


def summary(error: Exception) -> str:
    """Kind and first line of an error."""
    text = str(error).strip().split("\n", maxsplit=1)[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def traceback() -> str:
    """The traceback of the error being handled."""
    from traceback import format_exc

    return format_exc().rstrip()


def save_traceback() -> Path:
    """Keep the traceback of the error being handled in the folder for temporary files."""
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix="audiossl-traceback-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(traceback() + "\n")
    return Path(name)
