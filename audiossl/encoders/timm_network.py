"""Any network of timm from scratch: for spectrograms of any length, with one input channel, or for pictures."""

from __future__ import annotations

import contextlib
import difflib
from typing import Any

import torch
from torch import Tensor, nn

from audiossl.encoders.base import Encoder
from audiossl.encoders.layers import Layer, frequency_first, time_first
from audiossl.encoders.shapes import pad_frames, require_bands
from audiossl.errors import RecipeError
from audiossl.recipe.encoders import TimmConfig

# Lengths tried at once, so that a network tied to one image size is refused when it is built and not in the middle.
_PROBED_FRAMES = (32, 51)
_FAULTS = (RuntimeError, AssertionError, AttributeError, ValueError)
"""What timm's networks raise for an input that they were not made for."""


class TimmNetwork(Encoder):
    """A timm network without its classifier: its last maps, averaged over frequency, then over time.

    (B, 1, F, T), or pictures (B, 3, side, side), to (B, D), D the channels of the last maps. Vision transformers count
    as maps of patches: their position embeddings are interpolated to the input, and class tokens are left out.

    Raises:
        RecipeError: timm is not installed, has no such network, it does not take spectrograms of every length, or
            pictures of this side, or there are fewer than 16 mel bands or pixels.
    """

    min_frames = min(_PROBED_FRAMES)
    any_bands = True

    def __init__(self, config: TimmConfig, bands: int, channels: int = 1) -> None:
        super().__init__()
        require_bands(config.name, bands, 16, channels)
        self._model, self._bands, self._of_pictures = config.model, bands, channels > 1
        self.channels, self.frames_axis = channels, 2 if self._of_pictures else 3
        if self._of_pictures:
            probed, takes = [(channels, bands, bands)], f"pictures of {bands} pixels a side"
        else:
            probed = [(channels, bands, frames) for frames in _PROBED_FRAMES]
            takes = f"spectrograms of {bands} bands and any length"
        try:
            self.network = _create(config.model, channels, bands if self._of_pictures else None)
            (self.embedding_dim,) = {self._probe(*shape) for shape in probed}
        except _FAULTS as error:
            raise RecipeError(
                f"encoder: the timm network {config.model} does not take {takes} ({error}); "
                "write another model, e.g. efficientnet_b0"
            ) from error
        self.frame_dim = self.embedding_dim
        if self._of_pictures:
            self.any_bands = self._takes(channels, bands // 4, bands // 4)

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """The last maps averaged over frequency, or over the columns of a picture (B, U, D)."""
        if not self._of_pictures:
            x_BCFT = pad_frames(x_BCFT, self.min_frames)
        try:
            maps = self.network(x_BCFT)
        except _FAULTS as error:
            height, width = x_BCFT.shape[2:]
            if self.any_bands or height == width == self._bands:
                raise
            raise RecipeError(
                f"encoder: the timm network {self._model} takes pictures of {self._bands} pixels a side, not of "
                f"{height} x {width}; write another model, or a method without small views"
            ) from error
        maps_BDFU = self._mapped(maps, x_BCFT.shape[2])
        return maps_BDFU.mean(dim=3 if self._of_pictures else 2).transpose(1, 2)

    def pool(self, x_BUD: Tensor) -> Tensor:
        """The average over time (B, D)."""
        return x_BUD.mean(dim=1)

    def layers(self) -> dict[str, Layer]:
        """The stages that timm lists as features of the network, under timm's names."""
        network: Any = self.network
        modules = dict(self.network.named_modules())
        names = [stage["module"] for stage in getattr(network, "feature_info", [])]
        return {name: Layer(modules[name], self._layer_frames) for name in names if name in modules}

    def _layer_frames(self, maps: Tensor) -> Tensor:
        return (time_first if self._of_pictures else frequency_first)(self._mapped(maps, self._bands))

    def _mapped(self, maps: Tensor, bands: int) -> Tensor:
        """Maps (B, D, F', U) of a convolutional network as they are, of a transformer its patches laid out again."""
        network: Any = self.network
        if maps.dim() == 4:
            return maps.permute(0, 3, 1, 2) if getattr(network, "output_fmt", "NCHW") == "NHWC" else maps
        patch_rows = -(-bands // network.patch_embed.patch_size[0])
        tokens_BPD = maps[:, network.num_prefix_tokens :]
        return tokens_BPD.reshape(len(maps), patch_rows, -1, maps.shape[2]).permute(0, 3, 1, 2)

    @torch.no_grad()
    def _probe(self, *shape: int) -> int:
        """The size of the embedding of one input of this shape."""
        self.eval()
        size = self(torch.zeros(1, *shape)).shape[1]
        self.train()
        return int(size)

    def _takes(self, *shape: int) -> bool:
        try:
            self._probe(*shape)
        except _FAULTS:
            return False
        return True


def _create(model: str, channels: int, side: int | None) -> nn.Module:
    """The network with random weights, for pictures of `side` or for any size; nothing is ever downloaded."""
    try:
        import timm
    except ImportError as error:
        raise RecipeError(
            "encoder: timm is not installed; run `pip install 'audiossl-toolkit[timm]'` or write another encoder"
        ) from error
    if not timm.is_model(model):
        close = difflib.get_close_matches(model, timm.list_models(), n=1)
        hint = f"did you mean {close[0]}?" if close else "timm.list_models() names them all"
        raise RecipeError(f"encoder: timm has no network {model!r}; {hint}")
    common: dict[str, Any] = {"pretrained": False, "in_chans": channels, "num_classes": 0, "global_pool": ""}
    sized: dict[str, Any] = {} if side is None else {"img_size": side}
    # Only transformers know the first two of these, and convolutional networks none.
    for known in ({"dynamic_img_size": True, "dynamic_img_pad": True, **sized}, sized):
        with contextlib.suppress(TypeError):
            return timm.create_model(model, **common, **known)
    return timm.create_model(model, **common)
