"""`audiossl import`: published weights of others as encoder bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiossl_cli.console import emit, emit_json, progress, say

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make encoders from weights that others published.")


@app.callback()
def group() -> None:
    """Make encoders from weights that others published."""


@app.command()
def uclser20(
    weights: Annotated[Path, typer.Argument(help="VGG_best.pth of the public code of Fonseca et al. 2021.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The encoder to write, a .safetensors file.")],
    mean: Annotated[
        float | None, typer.Option(help="Mean of the log-mels of your data [that of sounds like the training data].")
    ] = None,
    std: Annotated[float | None, typer.Option(help="Their standard deviation; give both or neither.")] = None,
    statistics_from: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Measure mean and std on a folder, CSV or manifest of sounds instead."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The folder that holds the files of SOURCE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the encoder is as JSON.")] = False,
) -> None:
    """Make an encoder from the published VGG-like network of Fonseca et al. (ICASSP 2021).

    The statistics of its training data were not published: measure them on your own sounds for the best results.

    Example: audiossl import uclser20 VGG_best.pth --out vgg.safetensors --statistics-from esc50 --data ESC-50-master
    """
    from audiossl.bundle.published import import_uclser20, read_uclser20_vgg
    from audiossl.errors import UsageError

    if (mean is None) != (std is None):
        raise UsageError("--mean and --std belong together; give both or neither")
    if mean is not None and statistics_from is not None:
        raise UsageError("--statistics-from measures what --mean and --std say; give one or the other")
    if data is not None and statistics_from is None:
        raise UsageError("--data names the folder of --statistics-from; give both")
    chosen: dict[str, float | int] = {}
    if mean is not None and std is not None:
        chosen = {"mean": mean, "std": std}
    elif statistics_from is not None:
        read_uclser20_vgg(weights)  # a wrong file is told before an hour of measuring
        chosen = measured(statistics_from, data)
    bundle = import_uclser20(weights, out, **chosen)  # type: ignore[arg-type]
    statistics = bundle.statistics
    say(f"log-mel mean {statistics.mean:.4g}, std {statistics.std:.4g}, scale {statistics.scale:g}")
    if as_json:
        emit_json({"bundle": str(out), **bundle.describe()})
    else:
        emit(str(out))


def measured(source: str, data: Path | None) -> dict[str, float | int]:
    """Mean and deviation of the log-mels of `source` with the front end of the published network."""
    from audiossl.bundle.published import UCLSER20_RECIPE
    from audiossl.data.decoded import usable
    from audiossl.data.manifest import load_items
    from audiossl.modality import modality_of
    from audiossl.recipe.load import load_recipe
    from audiossl.training.clips import clip_reader, measure_statistics, open_clips
    from audiossl_cli.console import hush

    hush()
    items = load_items(source, data)
    # Every sound is read once: nothing to keep decoded.
    recipe = load_recipe(UCLSER20_RECIPE, ["data.cache=off"])
    modality = modality_of(recipe)
    frontend = modality.build_frontend(recipe.frontend)
    clips = open_clips(clip_reader(items, recipe, modality, frontend), recipe, progress())
    statistics = measure_statistics(clips, usable(clips), recipe, frontend)
    return {"mean": statistics.mean, "std": statistics.std, "items": statistics.items}
