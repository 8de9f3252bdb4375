"""Published networks said again, slowly: NumPy in float64, one sound at a time, from the papers' tables of layers.

Nothing here knows our encoders. Arrays are (channels, rows, columns) in whatever order the paper has its axes.
"""

from __future__ import annotations

import numpy as np

Weights = dict[str, np.ndarray]


def made_up(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    """Values that keep the signal alive through many layers, float32, by the names of a state dict."""
    generator, state = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        value = generator.standard_normal(shape)
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(7, np.int64)
            continue
        if name.endswith("running_var"):
            value = 0.5 + np.abs(value)
        elif len(shape) > 1:
            value *= np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith("weight"):
            value = 1 + 0.1 * value
        else:
            value *= 0.1
        state[name] = value.astype(np.float32)
    return state


def batch_norm_shapes(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def conv(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    """A square convolution of odd size, padded with zeros to the same size."""
    weight = w[f"{name}.weight"].astype(np.float64)
    size = weight.shape[2]
    padded = np.pad(x, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    out = np.zeros((len(weight), *x.shape[1:]))
    for i in range(size):
        for j in range(size):
            out += np.tensordot(weight[:, :, i, j], padded[:, i : i + x.shape[1], j : j + x.shape[2]], axes=1)
    bias = w.get(f"{name}.bias")
    return out if bias is None else out + bias[:, None, None]


def batch_norm(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    weight, bias, mean, var = (
        w[f"{name}.{part}"].astype(np.float64)[:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def max_pool(x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Maxima of tiles; what does not fill a tile is dropped."""
    high, wide = x.shape[1] // rows, x.shape[2] // columns
    tiles = x[:, : high * rows, : wide * columns].reshape(len(x), high, rows, wide, columns)
    return tiles.max(axis=(2, 4))


def linear(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    return x @ w[f"{name}.weight"].astype(np.float64).T + w[f"{name}.bias"]


def gru_step(x: np.ndarray, h: np.ndarray, w: Weights, name: str, end: str) -> np.ndarray:
    """One step of torch's GRU: reset, update, new."""
    ir, iz, fresh = np.split(x @ w[f"{name}.weight_ih_l0{end}"].T + w[f"{name}.bias_ih_l0{end}"], 3)
    hr, hz, old = np.split(h @ w[f"{name}.weight_hh_l0{end}"].T + w[f"{name}.bias_hh_l0{end}"], 3)
    reset, update = 1 / (1 + np.exp(-(ir + hr))), 1 / (1 + np.exp(-(iz + hz)))
    return (1 - update) * np.tanh(fresh + reset * old) + update * h
