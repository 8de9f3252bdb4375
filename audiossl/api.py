"""The Python face: what `import audiossl` offers, fetched when first used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiossl.bundle.bundle import Bundle
from audiossl.embedding.extract import EmbedReport
from audiossl.embedding.options import EmbedOptions
from audiossl.progress import Progress


def load(path: str | Path, device: str = "cpu") -> Bundle:
    """The encoder bundle at `path`, ready to embed sounds of any rate and length.

    Example:
        >>> encoder = audiossl.load("runs/mine/encoder.safetensors")  # doctest: +SKIP
        >>> encoder.embed(samples, sample_rate).shape  # doctest: +SKIP
        (512,)

    Raises:
        CheckpointError: it is no bundle, is damaged, or comes from a newer audiossl.
    """
    from audiossl.bundle.load import load_bundle

    return load_bundle(path, device)


def embed(
    model: str | Path | Bundle,
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    data: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> EmbedReport:
    """Embed sounds into the folder `out`; `audiossl.embedding.store.open_store(out)` reads it.

    Args:
        model: a bundle or its path.
        inputs: sound files, folders, patterns, tables, manifests or their shipped names; one or several.
        out: the folder of Parquet files. The same call again continues.
        data: the folder of a manifest's or table's files.
        progress: told about every file.
        options: fields of `EmbedOptions`, such as `window_s=1.0, hop_s=0.5`.

    Raises:
        UsageError: an option that cannot be, or `out` was made with others.
        DataError: an input that cannot be used. A sound file that cannot be read is listed in `failures.csv` instead.
    """
    from pydantic import ValidationError

    from audiossl.embedding.extract import embed_items
    from audiossl.embedding.inputs import gather
    from audiossl.errors import UsageError

    try:
        chosen = EmbedOptions(**options)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, fault['loc'][:1]))}: {fault['msg']}" for fault in error.errors()]
        raise UsageError("\n".join(dict.fromkeys(told))) from error
    items = gather([inputs] if isinstance(inputs, str | Path) else inputs, None if data is None else Path(data))
    bundle = model if isinstance(model, Bundle) else load(model)
    return embed_items(bundle, items, Path(out), chosen, progress=progress)


def pretrain(*arguments: Any, **options: Any) -> Any:
    """`audiossl.training.pretrain.pretrain`."""
    from audiossl.training.pretrain import pretrain as run

    return run(*arguments, **options)


def evaluate(*arguments: Any, **options: Any) -> Any:
    """`audiossl.evaluation.evaluate.evaluate`."""
    from audiossl.evaluation.evaluate import evaluate as run

    return run(*arguments, **options)
