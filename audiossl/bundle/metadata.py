"""What a bundle file says about itself: the JSON under `audiossl` in a safetensors header. Imports no torch."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, ValidationError

from audiossl.errors import CheckpointError
from audiossl.recipe.base import Config, Count, Positive
from audiossl.recipe.schema import RECIPES, AnyRecipe, Recipe
from audiossl.version import __version__

FORMAT = 1
"""Grows when an older audiossl could not read the file rightly."""
KEY = "audiossl"
"""The one key of the safetensors metadata."""
PREFIX = "encoder."
"""The names of the encoder's tensors start with it."""
TEXT_PREFIX = "text."
"""The names of the text side's tensors start with it."""
_MAX_HEADER = 16 * 2**20


class StatisticsConfig(Config):
    """See `Statistics`."""

    mean: float | tuple[float, ...]
    std: Positive | tuple[Positive, ...]
    items: NonNegativeInt = 0
    scale: Positive = 1.0


class Metadata(Config):
    """A bundle without its weights. `recipe` holds the Configs of encoder, front end and embedding."""

    format: Literal[1] = 1
    audiossl: str
    recipe: AnyRecipe
    recipe_hash: str
    embedding_dim: int
    text_dim: Count | None = None
    """Size of the space that examples and texts share; None without a text side."""
    statistics: StatisticsConfig
    versions: dict[str, str] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    """The data's fingerprint: manifest, items, split hash."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Steps, epochs, loss, last monitors, wall time, date."""


def compose(
    recipe: Recipe,
    statistics: Mapping[str, Any],
    embedding_dim: int,
    *,
    text_dim: int | None = None,
    training: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> str:
    """The JSON text of a new bundle; values that JSON cannot hold (NaN, infinity) become null."""
    from importlib.metadata import version

    from audiossl.recipe.load import recipe_hash

    return json.dumps(
        {
            "format": FORMAT,
            "audiossl": __version__,
            "recipe": recipe.model_dump(mode="json"),
            "recipe_hash": recipe_hash(recipe),
            "embedding_dim": embedding_dim,
            **({} if text_dim is None else {"text_dim": text_dim}),
            "statistics": dict(statistics),
            "versions": {"python": platform.python_version(), "torch": version("torch")},
            "data": _finite(dict(data or {})),
            "training": _finite(dict(training or {})),
        },
        ensure_ascii=False,
        allow_nan=False,
    )


_TORCH_FILES = (b"PK", b"\x80\x02\x8a\nl\xfc\x9cF")
"""How files of `torch.save` begin: a zip archive, or a pickled magic number in versions before 1.6."""


def read_metadata(content: bytes, path: object) -> Metadata:
    """The metadata of a bundle file's bytes.

    Raises:
        CheckpointError: the bytes are cut, are something else, or come from a newer audiossl.
    """
    size = int.from_bytes(content[:8], "little")
    if content.startswith(_TORCH_FILES):
        raise CheckpointError(
            f"{path}: is a PyTorch checkpoint, not a bundle; give the encoder bundle of the run, or make one of "
            f"published weights with `audiossl import`"
        )
    if len(content) < 8 or not 2 <= size <= min(_MAX_HEADER, len(content) - 8):
        raise CheckpointError(f"{path}: is not a bundle, or is cut: its header says {size:,} of {len(content):,} bytes")
    try:
        header = json.loads(content[8 : 8 + size])
        text = header["__metadata__"][KEY]
        raw = json.loads(text)
        made_by, file_format = raw["audiossl"], raw["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not an audiossl bundle ({type(error).__name__} in its header)") from error
    if not isinstance(file_format, int) or file_format > FORMAT:
        raise CheckpointError(f"{path}: made by audiossl {made_by}; install that version or newer")
    try:
        return Metadata.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in RECIPES)
        raise CheckpointError(
            f"{path}: made by audiossl {made_by}, whose metadata this audiossl {__version__} does not understand "
            f"({where}: {first['msg']}); install that version"
        ) from error


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
