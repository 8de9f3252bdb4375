from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from audiossl.evaluation.heads.networks import Dropout, build_head
from audiossl.evaluation.heads.scaling import fit_scaler
from audiossl.evaluation.protocol.gradient import LinearConfig, MlpConfig
from audiossl.evaluation.protocol.load import load_protocol


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_linear_head_starts_as_torch_starts_it():
    head = build_head(LinearConfig(layer_norm=False), 12, 5, stream(7))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        torchs = nn.Linear(12, 5)
    assert [type(layer) for layer in head] == [nn.Linear]
    torch.testing.assert_close(head[0].weight, torchs.weight)
    torch.testing.assert_close(head[0].bias, torchs.bias)


def test_layer_norm_stands_in_front():
    head = build_head(LinearConfig(layer_norm=True), 12, 5, stream())
    assert [type(layer) for layer in head] == [nn.LayerNorm, nn.Linear]


@pytest.mark.parametrize("xavier", ["uniform", "normal"])
@pytest.mark.parametrize("hidden", [1, 2])
def test_an_mlp_has_hears_layers_and_gains(xavier, hidden):
    config = MlpConfig(hidden_layers=hidden, width=200, dropout=0.1, xavier=xavier)
    head = build_head(config, 300, 100, stream())
    assert [type(layer) for layer in head] == [nn.Linear, nn.BatchNorm1d, Dropout, nn.ReLU] * hidden + [nn.Linear]
    linear = [layer for layer in head if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(linear):
        n_out, n_in = layer.weight.shape
        deviation = (2 if number else 1) ** 0.5 * (2 / (n_in + n_out)) ** 0.5  # Glorot and Bengio 2010, times the gain
        assert layer.weight.std().item() == pytest.approx(deviation, rel=0.02)
        assert layer.bias.abs().max().item() <= n_in**-0.5
        if xavier == "uniform":
            assert layer.weight.abs().max().item() == pytest.approx(3**0.5 * deviation, rel=0.02)


def test_weights_do_not_touch_the_global_stream():
    before = torch.get_rng_state()
    build_head(MlpConfig(hidden_layers=2, width=8, dropout=0.1, xavier="normal"), 12, 5, stream())
    assert (torch.get_rng_state() == before).all()


def test_dropout_keeps_the_mean_and_rests_outside_training():
    layer, x = Dropout(0.1, stream()), torch.ones(400, 500)
    dropped = layer(x)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert layer.eval()(x) is x


def scaler(name, x):
    return fit_scaler(load_protocol("knn@1").model_copy(update={"scaler": name}), x)


def test_scalers_of_rows_know_nothing_of_other_rows():
    x = np.random.default_rng(0).normal(3, 2, (6, 5))
    torchs = nn.functional.layer_norm(torch.from_numpy(x), (5,)).numpy()
    np.testing.assert_allclose(scaler("layernorm", x[:1])(x), torchs, rtol=1e-10)
    np.testing.assert_allclose(scaler("l2", x[:1])(x), x / np.linalg.norm(x, axis=1, keepdims=True), rtol=1e-12)
    assert scaler("none", x)(x) is x


def test_the_standard_scaler_learns_from_its_rows_alone():
    x = np.random.default_rng(0).normal(3, 2, (9, 5))
    np.testing.assert_allclose(scaler("standard", x[:6])(x), (x - x[:6].mean(0)) / x[:6].std(0), rtol=1e-10)
