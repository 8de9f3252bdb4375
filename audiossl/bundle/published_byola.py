"""The encoders of BYOL-A (Niizumi et al., IJCNN 2021 and TASLP 2023) with the weights that their authors published.

The weights are for evaluation only and nowhere in audiossl: each user brings the files. Their input is the log-mel of
librosa that they were trained on (Slaney's scale and area normalisation, reflected ends, natural logarithm), not the
HTK mels of the authors' own example. It is normalised by the statistics of the data at hand, as in the authors'
evaluation; those of the training data were never published.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.published import Published, check_state_dict, expected_tensors, read_state_dict
from audiossl.errors import CheckpointError
from audiossl.recipe.load import load_recipe

MEAN, STD = -7.23, 5.19
"""Log-mel statistics of the 2,000 clips of ESC-50 in this front end: stand-ins for those of one's own data."""

_NAME = re.compile(r"(?P<prefix>(?:.*\.)?)(?:features|fc)\.\d+\.\w+")
_THIRD_CONVOLUTION = "features.8.weight"
"""Only the network of 2021 has it."""


class Version(NamedTuple):
    """One of the two: the command that reads it, its network, the shipped recipe, its paper, the other command."""

    command: str
    network: str
    recipe: str
    paper: str
    other: str


V1 = Version("byol-a", "AudioNTT2020", "audio/byola_v1", "Niizumi et al., IJCNN 2021", "byol-a-v2")
V2 = Version("byol-a-v2", "AudioNTT2022", "audio/byola_v2", "Niizumi et al., TASLP 2023", "byol-a")


def read_byola(path: str | Path) -> Published:
    """Read `AudioNTT2020-BYOLA-64x96d512.pth`, `...d1024.pth` or `...d2048.pth` of BYOL-A of 2021.

    Raises:
        CheckpointError: the file is missing, damaged, or not that network; the first wrong tensor is named.
    """
    found = _network(path)
    if "fc.0.weight" in found and _THIRD_CONVOLUTION not in found:
        raise _not_this(path, V1, "is missing")
    dims = [f"encoder.dim={len(found[name])}" for name in ("fc.0.bias",) if name in found]
    return _published(path, found, V1, dims)


def read_byola_v2(path: str | Path) -> Published:
    """Read `AudioNTT2022-BYOLA-64x96d2048.pth` of BYOL-A v2 of 2023, whose embeddings have 3,072 values.

    Raises:
        CheckpointError: the file is missing, damaged, or not that network; the first wrong tensor is named.
    """
    found = _network(path)
    if _THIRD_CONVOLUTION in found:
        raise _not_this(path, V2, "has no place in it")
    return _published(path, found, V2, [])


def _network(path: str | Path) -> dict[str, Tensor]:
    """The tensors of the one network in the file, or of the online one, without what their names share before it.

    Heads beside a network with such a prefix are left out.
    """
    found = read_state_dict(path)
    prefixes = list(dict.fromkeys(match["prefix"] for name in found if (match := _NAME.fullmatch(name))))
    if len(prefixes) > 1:
        online = [prefix for prefix in prefixes if "online" in prefix]
        if len(online) != 1:
            told = " and ".join(f"{prefix or 'no prefix'}" for prefix in prefixes[:2])
            raise CheckpointError(f"{path}: holds several networks, of {told}; give a file of one")
        prefixes = online
    prefix = prefixes[0] if prefixes else ""
    return {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}


def _published(path: str | Path, found: dict[str, Tensor], version: Version, dims: list[str]) -> Published:
    about = f"{version.network} with the published weights of BYOL-A ({version.paper}), trained on AudioSet."
    told = ["data.manifest=audioset", "training.batch_size=256", "training.epochs=100"]
    recipe = load_recipe(version.recipe, [*told, *dims, f"description={json.dumps(about)}"])
    check_state_dict(found, expected_tensors(recipe), f"{path}: not the published {version.network}")
    return Published(
        path=Path(path),
        weights=found,
        recipe=recipe,
        statistics=Statistics(MEAN, STD),
        training={
            "imported_from": f"github.com/nttcslab/byol-a (for evaluation only), {version.paper}",
            "method": "BYOL for audio, 100 epochs",
        },
        data={"manifest": "audioset", "items": 1_963_807},
    )


def _not_this(path: str | Path, version: Version, fault: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: not the published {version.network}: tensor {_THIRD_CONVOLUTION} {fault}; "
        f"if these are the weights of the other BYOL-A, run `audiossl import {version.other}`"
    )
