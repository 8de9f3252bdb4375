"""The Python face: what `import audiossl` offers, fetched when first used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiossl.bundle.bundle import Bundle
from audiossl.data.items import Items
from audiossl.embedding.extract import EmbedReport
from audiossl.embedding.options import EmbedOptions
from audiossl.progress import Progress
from audiossl.recipe.schema import Recipe

if TYPE_CHECKING:
    from audiossl.bundle.baseline import Model
    from audiossl.evaluation.comparison import ComparisonReport
    from audiossl.evaluation.scores import EvaluationReport
    from audiossl.evaluation.sets import SuiteReport
    from audiossl.training.pretrain import PretrainResult


def load(path: str | Path, device: str = "cpu") -> Bundle:
    """The encoder bundle at `path`, ready to embed sounds of any rate and length, or pictures of any size.

    Example:
        >>> encoder = audiossl.load("runs/mine/encoder.safetensors")  # doctest: +SKIP
        >>> encoder.embed(samples, sample_rate).shape  # doctest: +SKIP
        (512,)
        >>> encoder = audiossl.load("runs/cifar10/encoder.safetensors")  # doctest: +SKIP
        >>> encoder.embed(PIL.Image.open("cat.jpg")).shape  # doctest: +SKIP
        (512,)

    Raises:
        CheckpointError: it is no bundle, is damaged, or comes from a newer audiossl.
    """
    from audiossl.bundle.load import load_bundle

    return load_bundle(path, device)


def embed(
    model: str | Path | Model,
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    data: str | Path | None = None,
    shard: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> EmbedReport:
    """Embed sounds or pictures into the folder `out`; `audiossl.embeddings.open(out)` reads it.

    Args:
        model: a bundle or its path; or the name of plain features, which an encoder must beat: `logmel` and `mfcc` of
            sounds, `pixels` and `hog` of pictures.
        inputs: files, folders, patterns, URLs (as `str`) that fsspec can open, tables, manifests or their shipped
            names; one or several. `-` reads a list from standard input. A folder is searched for what the model embeds.
        out: the folder of Parquet files, or its URL. The same call again continues. At a URL there is no lock.
        data: the folder of a manifest's or table's files.
        shard: `i/n`: embed only this part of the inputs, into a folder of its own in `out`. Once all n are there, from
            any number of processes and machines, `out` reads as one store.
        progress: told about every file.
        options: fields of `EmbedOptions`, such as `window_s=1.0, hop_s=0.5`.

    Raises:
        UsageError: an option that cannot be, or `out` was made with others.
        DataError: an input that cannot be used. A file that cannot be read is listed in `failures.csv` instead.
    """
    from pydantic import ValidationError

    from audiossl.bundle.baseline import load_model
    from audiossl.embedding.extract import embed_items
    from audiossl.embedding.inputs import gather
    from audiossl.embedding.shares import Share
    from audiossl.errors import UsageError
    from audiossl.places.folder import place_of

    try:
        chosen = EmbedOptions(**options)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, fault['loc'][:1]))}: {fault['msg']}" for fault in error.errors()]
        raise UsageError("\n".join(dict.fromkeys(told))) from error
    place, share = place_of(out), None if shard is None else Share.parse(shard)
    chosen_model = load_model(model) if isinstance(model, str | Path) else model
    asked = [inputs] if isinstance(inputs, str | Path) else inputs
    items = gather(asked, chosen_model.modality, None if data is None else Path(data))
    return embed_items(chosen_model, items, place, chosen, share=share, progress=progress)


def pretrain(
    recipe: str | Path | Recipe,
    *,
    out: str | Path,
    on: str | Path | None = None,
    data: str | Path | None = None,
    overrides: Sequence[str] = (),
    fresh: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> PretrainResult:
    """Pretrain an encoder on sounds or pictures without labels, in the run folder `out`. The same call again continues.

    Example:
        >>> result = audiossl.pretrain("audio/esc50_simclr", data="ESC-50/", out="runs/esc50")  # doctest: +SKIP
        >>> encoder = audiossl.load(result.bundle)  # doctest: +SKIP

    Args:
        recipe: the path of a recipe, the name of a shipped one, or a recipe from `load_recipe`.
        out: the run's folder; made if missing.
        on: train on all of this instead of the recipe's data: a folder of files, a CSV, a manifest or its name.
        data: the folder that holds the files of the manifest.
        overrides: fields of the recipe as `--set` takes them, such as `["training.epochs=20", "seed=1"]`.
        fresh: throw away what `out` holds of an earlier run.
        progress: told where the work stands.
        say: given plain sentences, such as the reason of every automatic choice.

    Returns:
        The path of the encoder bundle (None when a signal ended the run early), the steps done, seconds, what the
        monitors saw last, and the files that could not be read.

    Raises:
        RecipeError: every fault of the recipe and the overrides, with its place.
        DataError: the data cannot be used.
        UsageError: there is no such recipe or device, or `out` holds another run or is at work.
        TrainingDiverged: the loss was not finite; the last checkpoint is whole.
    """
    from audiossl.recipe.load import load_recipe, on_other_data
    from audiossl.training.pretrain import pretrain as run

    told = [] if on is None else on_other_data(str(on))
    if data is not None:
        told.append(f"data.root={json.dumps(str(data))}")
    return run(load_recipe(recipe, [*told, *overrides]), Path(out), fresh=fresh, progress=progress, say=say)


def evaluate(
    models: str | Path | Bundle | Sequence[str | Path | Bundle],
    on: str | Path | Items,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    run_folder: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> EvaluationReport:
    """Score encoders on labelled sounds or pictures, beside them untrained and, of sounds, plain statistics.

    Example:
        >>> report = audiossl.evaluate("runs/mine", on="esc50", data="ESC-50/")  # doctest: +SKIP
        >>> report.rows[0].scores["knn@1"].value  # doctest: +SKIP

    Args:
        models: one or several encoder bundles, their paths, or runs' folders.
        on: labelled sounds or pictures: a manifest's name, a manifest, a CSV, a folder, or `Items`.
        data: the folder that holds the files of a manifest or table.
        out: write `report.json` and `report.html` into this folder.
        run_folder: of the training, for its curves in the page.
        progress: told about the extraction of every row.
        options: fields of `EvaluateOptions`, such as `protocols=["knn@1"], baselines=False`.

    Returns:
        One row for each model and baseline, with scores between 0 and 1 under every protocol.

    Raises:
        UsageError: no model, an option that cannot be, an unknown protocol, or one twice.
        DataError: items without labels, files that cannot be read, folds that leak.
        CheckpointError: a model that is not a bundle.
    """
    from audiossl.evaluation.evaluate import evaluate as run

    return run(models, on, data=data, out=out, run_folder=run_folder, progress=progress, **options)


def evaluate_sets(
    models: str | Path | Bundle | Sequence[str | Path | Bundle],
    on: Sequence[str | Path],
    *,
    data: Mapping[str, Path] | Path | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> SuiteReport:
    """`evaluate` on several data sets. A set that fails is listed in `failed`, and costs no other its scores.

    Example:
        >>> suite = audiossl.evaluate_sets("runs/mine", ["esc50", "esc10"], data=Path("ESC-50/"))  # doctest: +SKIP
        >>> suite.sets[0].report.rows[0].scores["knn@1"].value  # doctest: +SKIP

    Args:
        models: one or several encoder bundles, their paths, or runs' folders.
        on: labelled sounds, each once.
        data: for each set the folder of its files, or one folder for all.
        out: write a folder with a report for each set, `index.json` and `index.html`.
        progress: told about the extraction of every row.
        options: fields of `EvaluateOptions`.

    Raises:
        UsageError: no model or set, one twice, an option that cannot be, a protocol that no set goes with.
        DataError: a set that is not there.
        CheckpointError: a model that is not a bundle.
        AudiosslError: of the first set, where all of them failed.
    """
    from audiossl.evaluation.suite import evaluate_sets as run

    return run(models, on, data=data, out=out, progress=progress, **options).report


def compare(
    a: str | Path,
    b: str | Path,
    *,
    on: Sequence[str] = (),
    data: Mapping[str, Path] | Path | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ComparisonReport:
    """How much better one embedding is than another on the same test items, and whether that may be chance.

    Example:
        >>> found = audiossl.compare("runs/a/evaluation", "runs/b/evaluation").comparisons[0]  # doctest: +SKIP
        >>> found.difference, found.interval, found.p  # doctest: +SKIP

    Args:
        a: the folder or `report.json` of an evaluation, or `PATH:ROW`; with `on`, an encoder bundle.
        b: the same.
        on: labelled sounds to evaluate both encoders on first.
        data: for each of them the folder of its files, or one folder for all.
        out: write these evaluations here.
        progress: told about the extraction.
        options: fields of `EvaluateOptions`, with `on` only.

    Raises:
        UsageError: no such row, nothing in common, or options without `on`.
        DataError: what is named is no evaluation, or they are not on the same split under the same protocol.
    """
    from audiossl.evaluation.sides import compare as run

    return run(a, b, on=on, data=data, out=out, progress=progress, **options)
