"""The output of a named layer of an encoder, as frames over time.

A map of C channels, F' bands and T' columns becomes T' frames of F' * C values, the channels of one band side by side:
the order in which AudioNTT reads its own last maps. Bands are kept apart and not averaged, because early layers know
what sounds mostly by where it lies in frequency; so do Niizumi et al., "Composing General Audio Representation by
Fusing Multilayer Features of a Pre-trained Model" (2022). Whoever wants the average over bands can take it afterwards.

Letters: B batch, C channels, F bands, U frames in time, D values of a frame.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn

from audiossl.errors import UsageError

if TYPE_CHECKING:
    from audiossl.encoders.base import Encoder


def frequency_first(maps_BCFU: Tensor) -> Tensor:
    """Maps whose last axis is time as frames (B, U, F * C)."""
    return maps_BCFU.permute(0, 3, 2, 1).flatten(2)


def time_first(maps_BCUF: Tensor) -> Tensor:
    """Maps whose last axis is frequency as frames (B, U, F * C)."""
    return maps_BCUF.permute(0, 2, 3, 1).flatten(2)


def as_they_are(frames: Tensor) -> Tensor:
    """What is (B, U, D) or, without time, (B, D) already."""
    return frames


def outputs(returned: tuple[Tensor, Tensor]) -> Tensor:
    """What a recurrent layer gives at every step (B, U, D), without its last state."""
    return returned[0]


class Layer(NamedTuple):
    """A module of an encoder, and how what it returns is read as frames (B, U, D), or (B, D) where time is gone."""

    module: nn.Module
    frames: Callable[[Any], Tensor] = as_they_are


class _ReachedError(Exception):
    """Ends a forward pass at the layer that is wanted: what follows would be computed for nothing."""

    def __init__(self, returned: Any) -> None:
        self.returned = returned


class LayerReader:
    """The frames (B, U, D) of one layer, or its rows (B, D), of log-mel (B, 1, F, T); safe in several threads at once.

    Raises:
        UsageError: the encoder has no such layer.
    """

    def __init__(self, encoder: Encoder, name: str) -> None:
        layers = encoder.layers()
        if name not in layers:
            near = get_close_matches(name, layers, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            there = f"it has {', '.join(layers)}" if layers else "it has none with a name"
            raise UsageError(f"the encoder has no layer {name}; {hint}{there}")
        self._encoder = copy.deepcopy(encoder)  # so that the caller's has no hook
        module, self._frames = self._encoder.layers()[name]
        module.register_forward_hook(_stop)

    def __call__(self, x_BCFT: Tensor) -> Tensor:
        """The layer's output, as frames (B, U, D) or rows (B, D)."""
        try:
            self._encoder(x_BCFT)
        except _ReachedError as reached:
            return self._frames(reached.returned)
        raise AssertionError("the layer takes no part in the embedding")


def _stop(_module: nn.Module, _inputs: Any, returned: Any) -> None:
    raise _ReachedError(returned)
