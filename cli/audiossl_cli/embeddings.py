"""`audiossl embeddings`: what is in a folder of embeddings, and the same in other formats."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiossl_cli.console import emit, emit_json, emit_table, progress
from audiossl_cli.embed import precision_words
from audiossl_cli.search import Kind

if TYPE_CHECKING:
    from audiossl.embedding.store import Store

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Show a folder made by `audiossl embed`, or export it."
)

Folder = Annotated[str, typer.Argument(metavar="DIR", help="A folder made by `audiossl embed`, or its URL.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class Format(str, enum.Enum):
    """What to write."""

    npz = "npz"
    npy = "npy"
    csv = "csv"
    hf_dataset = "hf-dataset"


@app.command()
def show(folder: Folder, as_json: AsJson = False) -> None:
    """Say what made a folder of embeddings, how many rows it has, and what failed.

    Example: audiossl embeddings show embeddings
    """
    from audiossl.embedding.shares import failures_of, open_failures
    from audiossl.embedding.store import open_store

    store = open_store(folder)
    failed = len(open_failures(store.folder))
    facts = describe(store)
    if as_json:
        emit_json({**store.about, **facts, "failures": failed})
        return
    model, embedding = store.about["model"], store.about["parameters"]
    rows = [
        ["model", model_words(model)],
        *([["its file", model.get("path") or "unknown"]] if model.get("recipe") else []),
        ["its sha256", embedding["model"]],
        *[[name, value] for name, value in embedding.items() if name != "model"],
        ["dimensions", store.embedding_dim],
        *([["bf16", precision_words(check)]] if (check := store.about.get("precision_check")) else []),
        *[[name, f"{value:,}"] for name, value in facts.items()],
        ["failures", f"{failed:,}" + (f", see {failures_of(store.folder)}" if failed else "")],
        ["made by", f"audiossl {store.about.get('audiossl')}, torch {store.about.get('torch')}"],
    ]
    emit_table(["what", "value"], rows, title=str(store.folder))


def model_words(model: Mapping[str, Any]) -> str:
    """An encoder has a recipe; a baseline has none."""
    name = model["encoder"]["name"]
    return f"recipe {model['recipe']}, encoder {name}" if model.get("recipe") else f"{name}, plain statistics"


def describe(store: Store) -> dict[str, Any]:
    """How much there is."""
    return {"clips": store.count("clips"), "windows": store.count("windows"), "bytes": store.bytes}


@app.command()
def export(
    folder: Folder,
    to: Annotated[Format, typer.Option(help="The format; npy comes with a CSV of the columns beside it.")],
    out: Annotated[Path, typer.Option(metavar="PATH", help="The file to write; for hf-dataset a new folder.")],
    kind: Annotated[Kind, typer.Option(help="Which rows.")] = Kind.clips,
    as_json: AsJson = False,
) -> None:
    """Write the embeddings and their columns in another format, sorted by path and time.

    npz is for numpy.load, csv for everything else, and hf-dataset for datasets.load_dataset(PATH).

    Example: audiossl embeddings export embeddings --to npz --out embeddings.npz
    """
    from audiossl.embeddings import export as run

    done = run(folder, out, to=to.value, kind=kind.value, progress=progress())
    if as_json:
        emit_json(done.as_json())
    else:
        names = " and ".join(str(path) for path in done.paths)
        emit(f"{names}: {done.rows:,} {kind.value} of {done.embedding_dim} dimensions")
