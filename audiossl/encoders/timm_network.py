"""Any network of timm that takes spectrograms of any length, from scratch and with one input channel."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from audiossl.encoders.base import Encoder
from audiossl.encoders.layers import Layer, frequency_first
from audiossl.encoders.shapes import pad_frames, require_bands
from audiossl.errors import RecipeError
from audiossl.recipe.encoders import TimmConfig

# Lengths tried at once, so that a network tied to one image size is refused when it is built and not in the middle.
_PROBED_FRAMES = (32, 51)


class TimmNetwork(Encoder):
    """A timm network without its classifier: its last maps, averaged over frequency, then over time.

    (B, 1, F, T) to (B, D), D the channels of the last maps. Vision transformers count as maps of patches: their
    position embeddings are interpolated to the spectrogram, and class tokens are left out.

    Raises:
        RecipeError: timm is not installed, has no such network, the network takes images of one size only, or there
            are fewer than 16 mel bands.
    """

    min_frames = min(_PROBED_FRAMES)
    any_bands = True

    def __init__(self, config: TimmConfig, n_mels: int) -> None:
        super().__init__()
        require_bands(config.name, n_mels, 16)
        self.network, self._bands = _create(config.model), n_mels
        self.embedding_dim = self.frame_dim = self._probe(config.model, n_mels)

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """The last maps averaged over frequency (B, U, D)."""
        x_BCFT = pad_frames(x_BCFT, self.min_frames)
        maps: Tensor = self.network(x_BCFT)
        return self._mapped(maps, x_BCFT.shape[2]).mean(dim=2).transpose(1, 2)

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
        return frequency_first(self._mapped(maps, self._bands))

    def _mapped(self, maps: Tensor, bands: int) -> Tensor:
        """Maps (B, D, F', U) of a convolutional network as they are, of a transformer its patches laid out again."""
        if maps.dim() == 4:
            return maps
        network: Any = self.network
        patch_rows = -(-bands // network.patch_embed.patch_size[0])
        tokens_BPD = maps[:, network.num_prefix_tokens :]
        return tokens_BPD.reshape(len(maps), patch_rows, -1, maps.shape[2]).permute(0, 3, 1, 2)

    @torch.no_grad()
    def _probe(self, model: str, n_mels: int) -> int:
        """The embedding's size, once lengths of every kind were seen to pass."""
        self.eval()
        try:
            sizes = {self(torch.zeros(1, 1, n_mels, frames)).shape[1] for frames in _PROBED_FRAMES}
        except (RuntimeError, AssertionError, AttributeError, ValueError) as error:
            raise RecipeError(
                f"encoder: the timm network {model} does not take spectrograms of {n_mels} bands and any length "
                f"({error}); write another model, e.g. efficientnet_b0"
            ) from error
        finally:
            self.train()
        (size,) = sizes
        return int(size)


def _create(model: str) -> nn.Module:
    """The network with random weights; nothing is ever downloaded."""
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
    common: dict[str, Any] = {"pretrained": False, "in_chans": 1, "num_classes": 0, "global_pool": ""}
    try:
        network: nn.Module = timm.create_model(model, dynamic_img_size=True, dynamic_img_pad=True, **common)
    except TypeError:  # only transformers know these two
        network = timm.create_model(model, **common)
    return network
