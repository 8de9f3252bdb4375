"""ResNet-18 for pictures with the weights of others, as SimCLR, MoCo, lightly, solo-learn and torchvision write them.

Their files are state dicts with torchvision's names behind a prefix (`backbone.`, `module.encoder_q.`), or with the
children of a `Sequential` by number, beside heads that nobody embeds with. The network is found by its first stage,
what it takes is told from the shape of its first convolution, and every tensor of it must fit. No weight tells whether
a maximum follows that convolution: none after 3x3, one after 7x7, as nearly everybody builds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.published import Published, check_state_dict, expected_tensors, read_state_dict
from audiossl.errors import CheckpointError
from audiossl.recipe.image_encoders import ImageResNet18Config, Stem
from audiossl.recipe.image_frontend import PixelsConfig
from audiossl.recipe.schema import ImageRecipe

STATISTICS: dict[Stem, Statistics] = {
    "3x3": Statistics((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "7x7": Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Of CIFAR-10, and of ImageNet as torchvision gives them: what such networks are usually trained with."""
SIDES: dict[Stem, int] = {"3x3": 32, "7x7": 224}
"""Of the pictures that they are usually trained on."""

_FIRST_STAGE = re.compile(r"(?P<prefix>(?:.*\.)?)(?:layer1|\d+)\.0\.conv1\.weight")
_NUMBERED_STAGE = re.compile(r"(\d+)\.0\.conv1\.weight")
_OURS = re.compile(r"(conv1|bn1|layer[1-4])\.")
_FOLLOWS = re.compile(r"momentum|target|teacher|encoder_k|key_encoder|(^|[._])ema([._]|$)")
"""In the prefix of a network that only follows another."""


def read_resnet18(path: str | Path, side: int | None = None) -> Published:
    """Read a ResNet-18 with a first convolution of 3x3 or 7x7, of any width.

    Args:
        path: a torch checkpoint of plain tensors.
        side: of the pictures in pixels; 32 with a 3x3 stem, 224 with a 7x7 one when left out.

    Raises:
        CheckpointError: the file is missing, damaged, or holds no such network; the first wrong tensor is named.
    """
    found = read_state_dict(path)
    prefix = _prefix(found, path)
    called = _names_of_torchvision([name.removeprefix(prefix) for name in found if name.startswith(prefix)])
    weights = {name: found[prefix + theirs] for theirs, name in called.items() if _OURS.match(name)}
    used = {prefix + theirs for theirs, name in called.items() if name in weights}
    stem = _stem(weights, path)
    try:
        encoder = ImageResNet18Config(stem=stem, width=len(weights["conv1.weight"]))
    except ValidationError as error:
        width = len(weights["conv1.weight"])
        raise CheckpointError(f"{path}: its first convolution has {width} channels, which no ResNet-18 has") from error
    recipe = ImageRecipe(
        name=f"imported_resnet18_{stem}",
        description=f"ResNet-18 with the weights of {Path(path).name}.",
        frontend=PixelsConfig(side=side or SIDES[stem]),
        encoder=encoder,
    )
    wanted = expected_tensors(recipe)
    for name in wanted.keys() - weights.keys():  # before PyTorch 0.4.1 batches were not counted, which decides nothing
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(0)
    check_state_dict(weights, wanted, f"{path}: not a ResNet-18")
    return Published(
        path=Path(path),
        weights=weights,
        recipe=recipe,
        statistics=STATISTICS[stem],
        training={"imported_from": Path(path).name, "network": prefix.removesuffix(".")},
        data={},
        left_out=_heads([name for name in found if name not in used], prefix),
    )


def _prefix(found: Mapping[str, Tensor], path: str | Path) -> str:
    """What the names of the one network share, or of the one that learnt where others follow it."""
    # Every stage of a `Sequential` looks like a first one, but they share their prefix.
    prefixes = list(dict.fromkeys(match["prefix"] for name in found if (match := _FIRST_STAGE.fullmatch(name))))
    if not prefixes:
        first = f"its first tensor is {next(iter(found))}" if found else "it holds no tensor"
        raise CheckpointError(f"{path}: holds no ResNet-18, {first}; give a state dict with torchvision's names")
    learnt = [prefix for prefix in prefixes if not _FOLLOWS.search(prefix)] if len(prefixes) > 1 else prefixes
    if len(learnt) != 1:
        told = " and ".join(prefix or "no prefix" for prefix in (learnt or prefixes)[:2])
        raise CheckpointError(f"{path}: holds several networks, of {told}; give a file of one")
    return learnt[0]


def _names_of_torchvision(names: Sequence[str]) -> dict[str, str]:
    """What torchvision calls the tensors; of a `Sequential` convolution and normalisation, then the four stages."""
    numbers = sorted({int(match[1]) for name in names if (match := _NUMBERED_STAGE.fullmatch(name))})
    children = {"0": "conv1", "1": "bn1"} | {str(number): f"layer{at}" for at, number in enumerate(numbers, 1)}
    called = {}
    for name in names:
        first, _, rest = name.partition(".")
        if numbers:
            first = children.get(first, first)
        # `shortcut` is what many networks for CIFAR-10 call torchvision's `downsample`.
        called[name] = f"{first}.{rest}".replace(".shortcut.", ".downsample.")
    return called


def _stem(weights: Mapping[str, Tensor], path: str | Path) -> Stem:
    shape = tuple(weights["conv1.weight"].shape) if "conv1.weight" in weights else None
    stems: dict[tuple[int, ...], Stem] = {(3, 3, 3): "3x3", (3, 7, 7): "7x7"}
    if shape is None or shape[1:] not in stems:
        told = "is missing" if shape is None else f"has shape {shape}"
        raise CheckpointError(
            f"{path}: not a ResNet-18 of pictures: tensor conv1.weight {told}; it must be (width, 3, 3, 3) or "
            "(width, 3, 7, 7)"
        )
    return stems[shape[1:]]


def _heads(unused: Sequence[str], prefix: str) -> list[str]:
    """What the file has beside the network, each part once."""
    depth = {name: prefix.count(".") if name.startswith(prefix) else 0 for name in unused}
    return list(dict.fromkeys(".".join(name.split(".")[: depth[name] + 1]) for name in unused))
