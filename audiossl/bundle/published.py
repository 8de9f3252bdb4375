"""Weights that others published, read without trusting them: tensors only, every name and shape checked.

The networks of Fonseca et al. (ICASSP 2021) were trained on (log-mel - mean) / s with s = sigma / sqrt(N) for the N
values of the training data, not the standard deviation sigma. Their weights therefore want the z-score times sqrt(N);
fed with a plain z-score the VGG-like network gives constant embeddings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.save import save_bundle, serialise
from audiossl.encoders.vgg import VggLike
from audiossl.errors import CheckpointError, UsageError
from audiossl.modality import modality_of
from audiossl.recipe.encoders import VggLikeConfig
from audiossl.recipe.frontends import FonsecaConfig
from audiossl.recipe.load import load_recipe

UCLSER20_INPUT_SCALE = 36_660.0
"""sqrt(N) of the published networks: x = (log-mel - mean) / sigma * 36660, mean and sigma those of one's own data."""

UCLSER20_MEAN, UCLSER20_STD = -2.0, 3.56
"""Stand-ins for the log-mel statistics of the training data, which were not published.

The deviation is 36660 / 10300, the gain that the first BatchNorm of the weights tells; the mean is about that of whole
clips of ESC-50, whose own deviation is 3.1. Statistics of one's own data are as good or better.
"""

UCLSER20_CLASSES = 20
"""Classes of FSDnoisy18k, in an order of the authors' own: do not read the scores by alphabetical class."""


UCLSER20_RECIPE = "audio/fonseca2021_vgg"
"""The shipped recipe of what the weights were trained with: front end, encoder, windows."""


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
    with torch.device("meta"):  # names and shapes only
        wanted = VggLike(encoder, frontend.n_mels, UCLSER20_CLASSES).state_dict()
    state_dict = read_state_dict(path)
    check_state_dict(state_dict, wanted, f"{path}: not the published VGG-like network")
    return PublishedEncoder(state_dict, encoder, frontend, UCLSER20_CLASSES, UCLSER20_INPUT_SCALE)


def uclser20_vgg_bundle(
    path: str | Path, *, mean: float = UCLSER20_MEAN, std: float = UCLSER20_STD, items: int = 0
) -> Bundle:
    """The published VGG-like network without its classifier, as an encoder ready to use.

    Args:
        path: `VGG_best.pth` of the public code of Fonseca et al. 2021.
        mean: of the log-mels of one's own data, or of data like the training data.
        std: their standard deviation; the published input scale is applied on top.
        items: clips that the two were measured on.

    Raises:
        CheckpointError: as `read_uclser20_vgg`.
        UsageError: `mean` or `std` cannot be.
    """
    published = read_uclser20_vgg(path)
    try:
        statistics = Statistics(mean, std, items, scale=published.input_scale)
    except ValueError as error:
        raise UsageError(f"mean {mean:g} and std {std:g} cannot be; both must be finite and std above 0") from error
    recipe = load_recipe(UCLSER20_RECIPE)
    modality = modality_of(recipe)
    with torch.random.fork_rng(devices=[]):
        encoder = modality.build_encoder(recipe.encoder, recipe.frontend.n_mels)
    encoder.load_state_dict({k: v for k, v in published.state_dict.items() if not k.startswith("dense_out.")})
    about: dict[str, Any] = {
        "training": {
            "imported_from": "VGG_best.pth of github.com/edufonseca/uclser20 (MIT), Fonseca et al., ICASSP 2021",
            "file": Path(path).name,
            "file_sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),
            "method": "SimCLR with mix-back, the checkpoint of the best epoch by the authors' kNN",
        },
        "data": {"manifest": "fsdnoisy18k", "splits": ["train_noisy"]},
    }
    whole = serialise(encoder=encoder, recipe=recipe, statistics=statistics, **about)
    frontend = modality.build_frontend(recipe.frontend)
    return Bundle(recipe, frontend, encoder, statistics, hashlib.sha256(whole).hexdigest(), about)


def import_uclser20(
    path: str | Path, out: str | Path, *, mean: float = UCLSER20_MEAN, std: float = UCLSER20_STD, items: int = 0
) -> Bundle:
    """Write the bundle of `uclser20_vgg_bundle(path, ...)` to `out`, whole or not at all, and return it.

    Raises:
        CheckpointError: as `read_uclser20_vgg`; nothing is written.
        UsageError: `mean` or `std` cannot be; nothing is written.
        WriteError: the place cannot be written.
    """
    bundle = uclser20_vgg_bundle(path, mean=mean, std=std, items=items)
    save_bundle(out, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics, **bundle.about)
    return bundle


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
