"""Heads from words, and the paper's head against its own code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from audiossl.methods.heads import build_head
from audiossl.recipe.methods.base import head_dim


@torch.no_grad()
def fill(head: nn.Module) -> None:
    """Entry i of the state dict from RandomState(1000 + i), as the note beside the reference arrays says."""
    for i, (name, tensor) in enumerate(head.state_dict().items()):
        if name.endswith("num_batches_tracked"):
            continue
        a = np.random.RandomState(1000 + i).standard_normal(tuple(tensor.shape)).astype(np.float32)
        if name.endswith("running_var"):
            a = 0.5 * np.abs(a) + 0.5
        elif tensor.dim() >= 2:
            a = a * np.sqrt(1 / tensor.shape[1])
        elif name.endswith("weight"):
            a = 1 + 0.1 * a
        else:
            a = 0.1 * a
        tensor.copy_(torch.from_numpy(np.asarray(a, np.float32)))


@pytest.mark.shared
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_papers_head_equals_its_own_code(shared, mode):
    with np.load(shared / "reference" / "uclser20_models.npz") as arrays:
        inputs, wanted = torch.from_numpy(arrays["head/in"]), arrays[f"head/out_{mode}"]
        keys = [key.removeprefix("net1.") for key in arrays["head/keys"]]
    head = build_head("512 bn relu 512", 512).train(mode == "train")
    assert list(head.state_dict()) == keys
    fill(head)
    ours = torch.nn.functional.normalize(head(inputs), dim=1).detach().numpy()
    assert np.abs(ours - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_the_papers_head_has_the_papers_size():
    assert sum(weight.numel() for weight in build_head("512 bn relu 512", 512).parameters()) == 526_336


@pytest.mark.parametrize(
    ("spec", "kinds", "sizes"),
    [
        ("8", [nn.Linear], [(6, 8)]),
        ("8 relu 3", [nn.Linear, nn.ReLU, nn.Linear], [(6, 8), (8, 3)]),
        ("8 bn relu 4", [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear], [(6, 8), (8, 4)]),
        ("8 4 bn_plain", [nn.Linear, nn.Linear, nn.BatchNorm1d], [(6, 8), (8, 4)]),
    ],
)
def test_words_become_layers_in_their_order(spec, kinds, sizes):
    head = build_head(spec, 6)
    assert [type(layer) for layer in head] == kinds
    assert [(x.in_features, x.out_features) for x in head if isinstance(x, nn.Linear)] == sizes
    assert head(torch.zeros(2, 6)).shape == (2, head_dim(spec)) == (2, sizes[-1][1])


def test_only_the_plain_norm_has_neither_scale_nor_shift():
    scaled, plain = (build_head(f"8 {word}", 6)[1] for word in ("bn", "bn_plain"))
    assert (scaled.num_features, plain.num_features) == (8, 8)
    assert {name for name, _ in scaled.named_parameters()} == {"weight", "bias"}
    assert not list(plain.parameters())
    assert plain.track_running_stats
