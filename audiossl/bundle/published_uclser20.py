"""The three networks of Fonseca et al. (ICASSP 2021) with the weights of their public code, edufonseca/uclser20 (MIT).

They were trained on (log-mel - mean) / s with s = sigma / sqrt(N) for the N values of the training data, not the
standard deviation sigma. The weights therefore want the z-score times sqrt(N); fed with a plain z-score the VGG-like
network gives constant embeddings.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.published import Published, check_state_dict, expected_tensors, read_state_dict
from audiossl.errors import CheckpointError
from audiossl.recipe.load import load_recipe

INPUT_SCALE = 36_660.0
"""sqrt(N) of the published networks: x = (log-mel - mean) / sigma * 36660, mean and sigma those of one's own data."""

MEAN, STD = -2.0, 3.56
"""Stand-ins for the log-mel statistics of the training data, which were not published.

The deviation is 36660 / 10300, the gain that the first BatchNorm of the weights tells; the mean is about that of whole
clips of ESC-50, whose own deviation is 3.1. Statistics of one's own data are as good or better.
"""

CLASSES = 20
"""Classes of FSDnoisy18k, in an order of the authors' own: their scores are not kept."""


class Network(NamedTuple):
    """One of the three: its file, the shipped recipe of its training, its classifier and the classifier's inputs."""

    name: str
    file: str
    recipe: str
    classifier: str
    features: int

    def tensors(self) -> dict[str, Tensor]:
        """Names and shapes of all tensors of the published file."""
        with torch.device("meta"):
            classifier = torch.nn.Linear(self.features, CLASSES).state_dict()
        return expected_tensors(load_recipe(self.recipe)) | {f"{self.classifier}.{k}": v for k, v in classifier.items()}


NETWORKS = (
    Network("VGG-like network", "VGG_best.pth", "audio/fonseca2021_vgg", "dense_out", 512),
    Network("CRNN", "CRNN_best.pth", "audio/fonseca2021_crnn", "dense", 64),
    Network("ResNet-18", "ResNet_best.pth", "audio/fonseca2021_resnet18", "fc", 512),
)


def read_uclser20(path: str | Path) -> Published:
    """Read `VGG_best.pth`, `CRNN_best.pth` or `ResNet_best.pth`, told apart by their tensors.

    Raises:
        CheckpointError: the file is missing, damaged, or none of the three; the first wrong tensor is named.
    """
    found = read_state_dict(path)
    network = max(NETWORKS, key=lambda network: len(network.tensors().keys() & found.keys()))
    if not network.tensors().keys() & found.keys():
        first = f"its first tensor is {next(iter(found))}" if found else "it holds no tensor"
        files = ", ".join(network.file for network in NETWORKS)
        raise CheckpointError(f"{path}: none of the published networks, {first}; give one of {files}")
    check_state_dict(found, network.tensors(), f"{path}: not the published {network.name}")
    return Published(
        path=Path(path),
        weights={name: tensor for name, tensor in found.items() if not name.startswith(f"{network.classifier}.")},
        recipe=load_recipe(network.recipe),
        statistics=Statistics(MEAN, STD, scale=INPUT_SCALE),
        training={
            "imported_from": f"{network.file} of github.com/edufonseca/uclser20 (MIT), Fonseca et al., ICASSP 2021",
            "method": "SimCLR with mix-back, the checkpoint of the best epoch by the authors' kNN",
        },
        data={"manifest": "fsdnoisy18k", "splits": ["train_noisy"]},
    )
