"""Read an encoder bundle. Everything is checked before anything is used, and nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.metadata import PREFIX, TEXT_PREFIX, Metadata, read_metadata
from audiossl.bundle.text import TextSide, build_text_side
from audiossl.encoders.base import Encoder
from audiossl.errors import AudiosslError, CheckpointError
from audiossl.modality import modality_of

__all__ = ["Bundle", "Statistics", "load_bundle"]


def load_bundle(path: str | Path, device: str | torch.device = "cpu") -> Bundle:
    """Read the bundle at `path`, or the only one in the folder `path`.

    Raises:
        CheckpointError: no such file, cut, not a bundle, weights that do not fit (the tensor is named), or made by a
            newer audiossl.
    """
    path = _find(Path(path))
    bundle = bundle_of(_read(path), path)
    bundle.path = path.absolute()
    return bundle.to(device)


def bundle_of(content: bytes, path: Path) -> Bundle:
    """The bundle whose file has this `content`; errors call it `path` (raises `CheckpointError`)."""
    metadata = read_metadata(content, path)
    try:
        weights = load_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: is cut or damaged ({error}); copy it again") from error
    encoder, text = _build(metadata, weights, path)
    return Bundle(
        recipe=metadata.recipe,
        frontend=modality_of(metadata.recipe).build_frontend(metadata.recipe),
        encoder=encoder,
        statistics=_statistics(metadata, path),
        text=text,
        sha256=hashlib.sha256(content).hexdigest(),
        about=metadata.model_dump(mode="json", include={"audiossl", "recipe_hash", "versions", "data", "training"}),
    )


def _statistics(metadata: Metadata, path: Path) -> Statistics:
    """The normalisation, which has one value for all channels of the front end, or one for each."""
    try:
        statistics = Statistics(**metadata.statistics.model_dump())
    except ValueError as error:
        raise CheckpointError(f"{path}: its statistics cannot be ({error}); the bundle is damaged") from error
    told, channels = np.size(statistics.mean), modality_of(metadata.recipe).channels
    if told not in (1, channels):
        raise CheckpointError(f"{path}: its statistics are of {told} channels, its front end gives {channels}")
    return statistics


def _find(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.safetensors"))
    if len(found) != 1:
        raise CheckpointError(f"{path}: a folder with {len(found)} bundles; give the path of one .safetensors file")
    return found[0]


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CheckpointError(f"{path}: is not a regular file; give the path of a .safetensors file")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such bundle; give the path of a .safetensors file of `pretrain`") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error


def _build(metadata: Metadata, weights: Mapping[str, Tensor], path: Path) -> tuple[Encoder, TextSide | None]:
    """Both sides with their weights. Built first without memory, so that shapes are compared before any is taken."""
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                expected = _parts(metadata)
            if problems := _differences(expected, weights):
                more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
                raise CheckpointError(f"{path}: {problems[0]}{more}; the bundle is damaged or of another encoder")
            parts = _parts(metadata)
        except AudiosslError as error:
            raise CheckpointError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    parts.load_state_dict(dict(weights))
    modules = dict(parts.named_children())
    encoder, text = modules["encoder"], modules.get("text")
    assert isinstance(encoder, Encoder)
    assert text is None or isinstance(text, TextSide)
    for what, told, dim in (
        ("dimensions", metadata.embedding_dim, encoder.embedding_dim),
        ("dimensions shared with texts", metadata.text_dim, None if text is None else text.dim),
    ):
        if told != dim:
            raise CheckpointError(f"{path}: says {told} {what}, its encoder has {dim}")
    return encoder, text


def _parts(metadata: Metadata) -> nn.ModuleDict:
    """The modules that the file's tensors belong to, under the names that the tensors begin with."""
    recipe = metadata.recipe
    encoder = modality_of(recipe).build_encoder(recipe)
    parts = nn.ModuleDict({PREFIX[:-1]: encoder})
    text = None if metadata.text_dim is None else build_text_side(recipe, encoder.embedding_dim)
    if text is not None:
        parts[TEXT_PREFIX[:-1]] = text
    return parts


def _differences(parts: nn.ModuleDict, weights: Mapping[str, Tensor]) -> list[str]:
    expected = parts.state_dict()
    problems = [f"tensor {name} is missing" for name in expected if name not in weights]
    for name, weight in weights.items():
        wanted = expected.get(name)
        if wanted is None:
            problems.append(f"tensor {name} is not one of the encoder's")
        elif (weight.shape, weight.dtype) != (wanted.shape, wanted.dtype):
            problems.append(
                f"tensor {name} is {_kind(weight)}, its encoder wants {_kind(wanted)}",
            )
        elif not torch.isfinite(weight).all():
            problems.append(f"tensor {name} holds values that are not finite")
    return problems


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
