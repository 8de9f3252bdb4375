"""`audiossl import`: published weights of others as encoder bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import emit, emit_json, progress, say

if TYPE_CHECKING:
    from audiossl.bundle.published import Published

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make encoders from weights that others published.")

Out = Annotated[Path, typer.Option(metavar="FILE", help="The encoder to write, a .safetensors file.")]
Mean = Annotated[
    float | None, typer.Option(help="Mean of the log-mels of your data [that of sounds like the training data].")
]
Std = Annotated[float | None, typer.Option(help="Their standard deviation; give both or neither.")]
StatisticsFrom = Annotated[
    str | None,
    typer.Option(metavar="SOURCE", help="Measure mean and std on a folder, CSV or manifest of sounds instead."),
]
Data = Annotated[Path | None, typer.Option(metavar="PATH", help="The folder that holds the files of SOURCE.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the encoder is as JSON.")]


@app.callback()
def group() -> None:
    """Make encoders from weights that others published."""


@app.command()
def uclser20(
    weights: Annotated[
        Path, typer.Argument(help="VGG_best.pth, CRNN_best.pth or ResNet_best.pth of github.com/edufonseca/uclser20.")
    ],
    out: Out,
    mean: Mean = None,
    std: Std = None,
    statistics_from: StatisticsFrom = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an encoder from a published network of Fonseca et al. (ICASSP 2021): VGG-like, CRNN or ResNet-18.

    The statistics of its training data were not published: measure them on your own sounds for the best results.

    Example: audiossl import uclser20 VGG_best.pth --out vgg.safetensors --statistics-from esc50 --data ESC-50-master
    """
    from audiossl.bundle.published_uclser20 import read_uclser20

    make(read_uclser20, weights, out, mean, std, statistics_from, data, as_json)


@app.command("byol-a")
def byol_a(
    weights: Annotated[
        Path, typer.Argument(help="AudioNTT2020-BYOLA-64x96d512.pth, d1024 or d2048, of github.com/nttcslab/byol-a.")
    ],
    out: Out,
    mean: Mean = None,
    std: Std = None,
    statistics_from: StatisticsFrom = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an encoder from the published weights of BYOL-A (Niizumi et al., IJCNN 2021), for evaluation only.

    Its authors measure the statistics on the data at hand: do so with --statistics-from for their results.

    Example: audiossl import byol-a AudioNTT2020-BYOLA-64x96d512.pth --out byola.safetensors --statistics-from sounds/
    """
    from audiossl.bundle.published_byola import read_byola

    make(read_byola, weights, out, mean, std, statistics_from, data, as_json)


@app.command("byol-a-v2")
def byol_a_v2(
    weights: Annotated[Path, typer.Argument(help="AudioNTT2022-BYOLA-64x96d2048.pth of github.com/nttcslab/byol-a.")],
    out: Out,
    mean: Mean = None,
    std: Std = None,
    statistics_from: StatisticsFrom = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an encoder from the published weights of BYOL-A v2 (Niizumi et al., TASLP 2023), for evaluation only.

    Its authors measure the statistics on the data at hand: do so with --statistics-from for their results.

    Example: audiossl import byol-a-v2 AudioNTT2022-BYOLA-64x96d2048.pth --out v2.safetensors --statistics-from sounds/
    """
    from audiossl.bundle.published_byola import read_byola_v2

    make(read_byola_v2, weights, out, mean, std, statistics_from, data, as_json)


def make(
    read: Callable[[Path], Published],
    weights: Path,
    out: Path,
    mean: float | None,
    std: float | None,
    statistics_from: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Read the published weights, give them statistics, and write the bundle."""
    from audiossl.bundle.published import import_published
    from audiossl.errors import UsageError

    if (mean is None) != (std is None):
        raise UsageError("--mean and --std belong together; give both or neither")
    if mean is not None and statistics_from is not None:
        raise UsageError("--statistics-from measures what --mean and --std say; give one or the other")
    if data is not None and statistics_from is None:
        raise UsageError("--data names the folder of --statistics-from; give both")
    published = read(weights)  # a wrong file is told before an hour of measuring
    if mean is not None and std is not None:
        published = published.measured(mean, std)
    elif statistics_from is not None:
        published = measured(published, statistics_from, data)
    bundle = import_published(published, out)
    statistics = bundle.statistics
    say(f"log-mel mean {statistics.mean:.4g}, std {statistics.std:.4g}, scale {statistics.scale:g}")
    if as_json:
        emit_json({"bundle": str(out), **bundle.describe()})
    else:
        emit(str(out))


def measured(published: Published, source: str, data: Path | None) -> Published:
    """`published` with the log-mel statistics of the sounds of `source` in its own front end."""
    from audiossl.data.decoded import usable
    from audiossl.data.manifest import load_items
    from audiossl.modality import modality_of
    from audiossl.training.clips import clip_reader, measure_statistics, open_clips
    from audiossl_cli.console import hush

    hush()
    items = load_items(source, data)
    # Every sound is read once: nothing to keep decoded.
    recipe = published.recipe.model_copy(update={"data": published.recipe.data.model_copy(update={"cache": "off"})})
    frontend = modality_of(recipe).build_frontend(recipe)
    clips = open_clips(clip_reader(items, recipe, frontend), recipe, progress())
    statistics = measure_statistics(clips, usable(clips), recipe, frontend)
    return published.measured(statistics.mean, statistics.std, statistics.items)
