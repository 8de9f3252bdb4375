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
    str | None,
    typer.Option(metavar="M", help="Mean of the log-mels of your data [that of sounds like the training data]."),
]
Std = Annotated[str | None, typer.Option(metavar="S", help="Their standard deviation; give both or neither.")]
StatisticsFrom = Annotated[
    str | None,
    typer.Option(metavar="SOURCE", help="Measure mean and std on a folder, CSV or manifest of your files instead."),
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


@app.command()
def resnet18(
    weights: Annotated[
        Path, typer.Argument(help="A torch checkpoint with a ResNet-18 of pictures: torchvision's names, any prefix.")
    ],
    out: Out,
    side: Annotated[
        int | None,
        typer.Option(min=8, max=4096, metavar="N", help="Pixels that pictures are resized to [3x3 stem 32, 7x7 224]."),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(metavar="R,G,B", help="Mean of each channel, 0 to 1 [3x3 stem CIFAR-10's, 7x7 ImageNet's]."),
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="Their standard deviations; give both or neither.")
    ] = None,
    statistics_from: StatisticsFrom = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an encoder of pictures from a ResNet-18 that SimCLR, MoCo, lightly, solo-learn, torchvision ... trained.

    The network is found behind any prefix (backbone., module.encoder_q.); its first convolution, 3x3 or 7x7, is told
    from its shape. Classifiers and projection heads are left out.

    Example: audiossl import resnet18 simclr.ckpt --out simclr.safetensors --statistics-from cifar10/train
    """
    from functools import partial

    from audiossl.bundle.published_resnet18 import read_resnet18

    make(partial(read_resnet18, side=side), weights, out, mean, std, statistics_from, data, as_json)


def make(
    read: Callable[[Path], Published],
    weights: Path,
    out: Path,
    mean: str | None,
    std: str | None,
    statistics_from: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Read the published weights, give them statistics, and write the bundle."""
    from audiossl.bundle.published import import_published, shown_values
    from audiossl.errors import UsageError

    if (mean is None) != (std is None):
        raise UsageError("--mean and --std belong together; give both or neither")
    if mean is not None and statistics_from is not None:
        raise UsageError("--statistics-from measures what --mean and --std say; give one or the other")
    if data is not None and statistics_from is None:
        raise UsageError("--data names the folder of --statistics-from; give both")
    given = None if mean is None or std is None else (values("--mean", mean), values("--std", std))
    published = read(weights)  # a wrong file is told before an hour of measuring
    if published.left_out:
        say(f"left out: {', '.join(published.left_out)}")
    if given is not None:
        published = published.measured(*given)
    elif statistics_from is not None:
        published = measured(published, statistics_from, data)
    bundle = import_published(published, out)
    used = bundle.statistics
    say(f"input: mean {shown_values(used.mean)}, std {shown_values(used.std)}, scale {used.scale:g}")
    if as_json:
        emit_json({"bundle": str(out), **bundle.describe()})
    else:
        emit(str(out))


def values(flag: str, text: str) -> float | tuple[float, ...]:
    """A number, or several with commas between them."""
    from audiossl.errors import UsageError

    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{flag} {text} is no number; write one, or one per channel as 0.49,0.48,0.45") from None
    return numbers if len(numbers) > 1 else numbers[0]


def measured(published: Published, source: str, data: Path | None) -> Published:
    """`published` with the statistics of the files of `source` in its own front end."""
    from audiossl.data.decoded import usable
    from audiossl.data.manifest import load_items
    from audiossl.modality import modality_of
    from audiossl.training.clips import clip_reader, measure_statistics, open_clips
    from audiossl_cli.console import hush

    hush()
    items = load_items(source, data, modality=modality_of(published.recipe).name)
    # Every file is read once: nothing to keep decoded.
    recipe = published.recipe.model_copy(update={"data": published.recipe.data.model_copy(update={"cache": "off"})})
    frontend = modality_of(recipe).build_frontend(recipe)
    clips = open_clips(clip_reader(items, recipe, frontend), recipe, progress())
    statistics = measure_statistics(clips, usable(clips), recipe, frontend)
    return published.measured(statistics.mean, statistics.std, statistics.items)
