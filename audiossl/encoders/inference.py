"""An encoder in the form in which it is only used: the same function, with less to compute and to convert.

In eval mode a BatchNorm is a factor and an offset per channel, which the convolution before it can carry (Jacob et al.,
CVPR 2018, section 3.2): one pass over the largest maps less. What was trained, saved and hashed is never touched.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from audiossl.encoders.audiontt import AudioNtt2020, AudioNtt2022
from audiossl.encoders.base import Encoder
from audiossl.encoders.blocks import ConvBlock
from audiossl.encoders.crnn import Crnn
from audiossl.encoders.resnet import BasicBlock, ResNet18
from audiossl.encoders.vgg import VggLike
from audiossl.encoders.waveform import WaveformCnn

_KNOWN = (AudioNtt2020, AudioNtt2022, Crnn, ResNet18, VggLike, WaveformCnn)
"""Encoders that run the pairs below one after the other, and either half for nothing else."""
_PAIRS: dict[type[nn.Module], list[tuple[str, str]]] = {
    ConvBlock: [("conv", "bn")],
    BasicBlock: [("conv1", "bn1"), ("conv2", "bn2")],
    ResNet18: [("conv1", "bn1")],
}
"""Where a convolution and its BatchNorm are, by name; in a Sequential they stand side by side."""
_CONVERTED = (nn.Conv2d, nn.Linear)
"""Layers whose weights autocast would convert at every call."""


def inference_form(encoder: Encoder, *, bf16: bool = False) -> Encoder:
    """A copy of `encoder`, which is in eval mode, for inference alone; `encoder` stays as it is.

    Every BatchNorm of an encoder that this module knows is folded: equal to rounding. With `bf16`, weights that
    autocast would convert to bfloat16 at every call are converted once: equal under autocast.
    """
    form = copy.deepcopy(encoder)
    if isinstance(form, _KNOWN):
        for module in form.modules():
            _fold(module)
    if bf16:
        for module in form.modules():
            if type(module) in _CONVERTED:
                module.to(torch.bfloat16)
    return form


def _fold(parent: nn.Module) -> None:
    """Fold the BatchNorms among the children of `parent`; an Identity takes the place of each."""
    pairs = _PAIRS.get(type(parent), [])
    if type(parent) is nn.Sequential:
        pairs = list(pairwise(parent._modules))
    for first, second in pairs:
        conv, norm = parent.get_submodule(first), parent.get_submodule(second)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(parent, first, fuse_conv_bn_eval(conv, norm))
            setattr(parent, second, nn.Identity())
