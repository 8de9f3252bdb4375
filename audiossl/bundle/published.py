"""Weights that others published, read without trusting them: tensors only, every name and shape checked.

The networks of Fonseca et al. (ICASSP 2021) were trained on (log-mel - mean) / s with s = sigma / sqrt(N) for the N
values of the training data, not the standard deviation sigma. Their weights therefore want the z-score times sqrt(N);
fed with a plain z-score the VGG-like network gives constant embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from audiossl.encoders.vgg import VggLike
from audiossl.errors import CheckpointError
from audiossl.recipe.encoders import VggLikeConfig
from audiossl.recipe.frontends import FonsecaConfig

UCLSER20_INPUT_SCALE = 36_660.0
"""sqrt(N) of the published networks: x = (log-mel - mean) / sigma * 36660, mean and sigma those of one's own data."""

UCLSER20_CLASSES = 20
"""Classes of FSDnoisy18k, in an order of the authors' own: do not read the scores by alphabetical class."""


class PublishedEncoder(NamedTuple):
    """What is needed to use published weights."""

    state_dict: dict[str, Tensor]
    """Loads with `strict=True` into the encoder of `encoder`, built with `num_classes`."""
    encoder: VggLikeConfig
    frontend: FonsecaConfig
    num_classes: int
    input_scale: float
    """Multiply the z-score of the log-mel by this; the same as dividing by sigma / input_scale."""


def read_uclser20_vgg(path: str | Path) -> PublishedEncoder:
    """Read `VGG_best.pth` of the public code of Fonseca et al. 2021 (a state dict).

    Raises:
        CheckpointError: the file is missing, damaged, or not that network; the first wrong tensor is named.
    """
    frontend, encoder = FonsecaConfig(), VggLikeConfig()
    wanted = VggLike(encoder, frontend.n_mels, UCLSER20_CLASSES).state_dict()
    state_dict = read_state_dict(path)
    check_state_dict(state_dict, wanted, f"{path}: not the published VGG-like network")
    return PublishedEncoder(state_dict, encoder, frontend, UCLSER20_CLASSES, UCLSER20_INPUT_SCALE)


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a torch checkpoint by name, on the CPU; no code in the file is run (raises `CheckpointError`)."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file; give the path of the downloaded weights") from error
    except Exception as error:  # a damaged or foreign file can raise anything
        raise CheckpointError(f"{path}: not a readable torch checkpoint of plain tensors; download it again") from error
    if not isinstance(content, Mapping) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise CheckpointError(f"{path}: holds something other than a state dict; give a file of named tensors")
    return dict(content)


def check_state_dict(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> None:
    """Raise `CheckpointError` naming the first tensor of `found` that `wanted` does not describe, or the reverse."""
    for name, tensor in wanted.items():
        if name not in found:
            raise CheckpointError(f"{what}: tensor {name} is missing")
        if found[name].shape != tensor.shape:
            raise CheckpointError(
                f"{what}: tensor {name} has shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
            )
        if not torch.isfinite(found[name]).all():
            raise CheckpointError(f"{what}: tensor {name} holds values that are not finite")
    for name in found:
        if name not in wanted:
            raise CheckpointError(f"{what}: tensor {name} has no place in it")
