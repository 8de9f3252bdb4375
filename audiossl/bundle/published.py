"""Weights that others published, read without trusting them: tensors only, every name and shape checked.

`published_uclser20`, `published_byola` and `published_resnet18` know one source each; here is what they share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.save import save_bundle, serialise
from audiossl.encoders.base import Encoder
from audiossl.errors import CheckpointError, UsageError
from audiossl.modality import modality_of
from audiossl.recipe.schema import Recipe


@dataclass(frozen=True)
class Published:
    """Weights of one published encoder, checked, with all that its input needs.

    Attributes:
        path: the file.
        weights: the encoder's tensors by our names, without a classifier.
        recipe: front end, encoder and windows, and what is known of the training.
        statistics: stand-ins for those of one's own data; `scale` belongs to the weights.
        training, data: what the bundle tells of its making.
        left_out: parts of the file that the encoder does not need.
    """

    path: Path
    weights: dict[str, Tensor]
    recipe: Recipe
    statistics: Statistics
    training: Mapping[str, Any]
    data: Mapping[str, Any]
    left_out: Sequence[str] = ()

    def measured(self, mean: float | tuple[float, ...], std: float | tuple[float, ...], items: int = 0) -> Published:
        """The same with the statistics of one's own data.

        Args:
            mean: of all values that the front end gives, or of each channel's.
            std: their standard deviation.
            items: files that the two were measured on.

        Raises:
            UsageError: `mean` or `std` cannot be.
        """
        try:
            statistics = Statistics(mean, std, items, scale=self.statistics.scale)
        except ValueError as error:
            told = f"mean {shown_values(mean)} and std {shown_values(std)} cannot be"
            raise UsageError(f"{told}; both must be finite, as many, and std above 0") from error
        channels = modality_of(self.recipe).channels
        if np.size(statistics.mean) not in (1, channels):
            raise UsageError(f"mean {shown_values(mean)} is of {np.size(mean)} channels; write 1 value or {channels}")
        return replace(self, statistics=statistics)

    def bundle(self) -> Bundle:
        """The encoder, ready to use."""
        encoder = _build(self.recipe)
        encoder.load_state_dict(self.weights)
        file = {"file": self.path.name, "file_sha256": hashlib.sha256(self.path.read_bytes()).hexdigest()}
        about: dict[str, Any] = {"training": {**self.training, **file}, "data": dict(self.data)}
        whole = serialise(encoder=encoder, recipe=self.recipe, statistics=self.statistics, **about)
        frontend = modality_of(self.recipe).build_frontend(self.recipe)
        return Bundle(self.recipe, frontend, encoder, self.statistics, hashlib.sha256(whole).hexdigest(), about)


def shown_values(values: float | tuple[float, ...]) -> str:
    """One value or several as people write them: `0.5`, `0.49,0.48,0.45`."""
    return ",".join(f"{value:.4g}" for value in np.ravel(values))


def import_published(published: Published, out: str | Path) -> Bundle:
    """Write the bundle of `published` to `out`, whole or not at all, and return it (raises `WriteError`)."""
    bundle = published.bundle()
    save_bundle(out, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics, **bundle.about)
    return bundle


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a torch checkpoint by name, on the CPU; no code in the file is run.

    A state dict that stands under `state_dict` or `model` is unwrapped.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something other than named tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file; give the path of the downloaded weights") from error
    except Exception as error:  # a damaged or foreign file can raise anything
        raise CheckpointError(f"{path}: not a readable torch checkpoint of plain tensors; download it again") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise CheckpointError(f"{path}: holds something other than a state dict; give a file of named tensors")
    return {str(name): tensor for name, tensor in content.items()}


def expected_tensors(recipe: Recipe) -> dict[str, Tensor]:
    """Names and shapes of the tensors of the recipe's encoder, without memory."""
    with torch.device("meta"):
        return _build(recipe).state_dict()


def check_state_dict(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> None:
    """Raise `CheckpointError` naming the first tensor of `found` that `wanted` does not describe, or the reverse."""
    fault = next(_faults(found, wanted), None)
    if fault is not None:
        raise CheckpointError(f"{what}: tensor {fault}; give the file as it was published")


def _faults(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Iterator[str]:
    for name, tensor in wanted.items():
        if name not in found:
            yield f"{name} is missing"
        elif found[name].shape != tensor.shape:
            yield f"{name} has shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        elif not torch.isfinite(found[name]).all():
            yield f"{name} holds values that are not finite"
    yield from (f"{name} has no place in it" for name in found if name not in wanted)


def _build(recipe: Recipe) -> Encoder:
    """An encoder whose weights do not matter; torch's global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        return modality_of(recipe).build_encoder(recipe)
