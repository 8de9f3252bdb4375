"""The common API of HEAR 2021 (Turian et al., "HEAR: Holistic Evaluation of Audio Representations") for any bundle.

    from audiossl import hear

    model = hear.load_model("encoder.safetensors").to("cuda")
    scenes = hear.get_scene_embeddings(audio, model)
    embeddings, timestamps_ms = hear.get_timestamp_embeddings(audio, model)

HEAR's evaluation kit takes this module by name: `python -m heareval.embeddings.runner audiossl.hear --model FILE`.

- A scene's embedding is what `audiossl embed` gives for the whole sound: the mean over the bundle's windows.
- A timestamp's embedding is that of the window around it, every 50 ms or a little less (`audiossl.embedding.frames`
  says how and why). Timestamps are in milliseconds; the first is 0, the last lies inside the sound.

Nothing depends on the company a sound keeps in its batch, beyond rounding in the sixth digit.
Shapes: B sounds of S samples, U timestamps, D embedding.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from audiossl.audio.windows import Samples, cut
from audiossl.bundle.bundle import Bundle
from audiossl.bundle.load import load_bundle
from audiossl.embedding.frames import embed_timestamps, grid_of, rows_at_once
from audiossl.embedding.options import FrameOptions
from audiossl.errors import UsageError
from audiossl.recipe.problems import problems

__all__ = ["HearModel", "get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

SAMPLE_RATES = (16_000, 22_050, 32_000, 44_100, 48_000)
"""Rates in Hz that HEAR's data come in."""


class HearModel(nn.Module):
    """A frozen encoder as HEAR's evaluation kit wants it; `load_model` makes one.

    Attributes:
        sample_rate: that audio must have, in Hz.
        scene_embedding_size: D.
        timestamp_embedding_size: D.
        bundle: the encoder with its front end and statistics; `to` moves it along.

    Raises:
        UsageError: the bundle wants a sample rate that HEAR does not have.
    """

    def __init__(self, bundle: Bundle, options: FrameOptions | None = None) -> None:
        super().__init__()
        if bundle.sample_rate not in SAMPLE_RATES:
            known = ", ".join(f"{rate:,}" for rate in SAMPLE_RATES)
            raise UsageError(f"the encoder wants {bundle.sample_rate:,} Hz; HEAR has sounds of {known} Hz only")
        self.bundle = bundle
        self.encoder, self.frontend = bundle.encoder, bundle.frontend
        self.grid = grid_of(bundle, options or FrameOptions())
        self.sample_rate = bundle.sample_rate
        self.scene_embedding_size = self.timestamp_embedding_size = bundle.embedding_dim

    def train(self, mode: bool = True) -> HearModel:
        """Stay in evaluation mode: batch statistics and dropout would tie a sound to its batch."""
        return super().train(False)


def load_model(model_file_path: str = "", **options: Any) -> HearModel:
    """The bundle at `model_file_path`, or the only one in that folder, on the CPU; `.to(device)` moves it.

    Args:
        model_file_path: an encoder of `audiossl pretrain` or `audiossl import`.
        options: fields of `FrameOptions`, such as `hop_s=0.02`.

    Raises:
        CheckpointError: it is no bundle, is damaged, or comes from a newer audiossl.
        UsageError: no path, an option that cannot be, or a sample rate that HEAR does not have.
    """
    if not model_file_path:
        raise UsageError("audiossl.hear has no model of its own; give the path of an encoder bundle")
    try:
        chosen = FrameOptions(**options)
    except ValidationError as error:
        raise UsageError("\n".join(f"{name}: {what}" for name, what in problems(FrameOptions, error))) from error
    return HearModel(load_bundle(model_file_path), chosen)


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """One embedding per sound (B, D), float32, on the model's device.

    Args:
        audio: (B, S) mono at `model.sample_rate`, full scale 1.
        model: from `load_model`.

    Raises:
        UsageError: audio of another shape or type, without samples, or not finite.
    """
    bundle = model.bundle
    sounds = _checked(audio)
    windows = [window.samples for sound in sounds for window in cut(sound, bundle.sample_rate, bundle.recipe.embedding)]
    if not windows:
        return torch.empty(0, bundle.embedding_dim, device=bundle.device)
    rows = rows_at_once(len(windows[0]) / bundle.sample_rate, bundle.device)
    batches = (_prepared(windows[first : first + rows], bundle) for first in range(0, len(windows), rows))
    with torch.no_grad():
        embeddings = torch.cat([bundle.encode(x_BS) for x_BS in batches])
        return embeddings.view(len(sounds), -1, bundle.embedding_dim).mean(dim=1)


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """Embeddings along each sound (B, U, D) and their timestamps (B, U) in milliseconds, on the model's device.

    Args:
        audio: (B, S) mono at `model.sample_rate`, full scale 1.
        model: from `load_model`.

    Raises:
        UsageError: audio of another shape or type, without samples, or not finite.
    """
    sounds, bundle = _checked(audio), model.bundle
    times_ms = torch.from_numpy(model.grid.times_s(audio.shape[1]) * 1000).float().to(bundle.device)
    if sounds:
        embeddings = embed_timestamps(bundle, _prepared(sounds, bundle), len(times_ms), model.grid)
    else:
        embeddings = torch.empty(0, len(times_ms), bundle.embedding_dim, device=bundle.device)
    return embeddings, times_ms.repeat(len(sounds), 1)


def _prepared(sounds: list[Samples], bundle: Bundle) -> Tensor:
    """Sounds of one length after the front end's whole-clip step (B, S'), on the bundle's device."""
    return torch.stack([torch.from_numpy(bundle.frontend.prepare(sound)) for sound in sounds]).to(bundle.device)


def _checked(audio: Tensor) -> list[Samples]:
    if not isinstance(audio, Tensor) or audio.ndim != 2 or not audio.is_floating_point():
        told = f"{audio.dtype} {tuple(audio.shape)}" if isinstance(audio, Tensor) else type(audio).__name__
        raise UsageError(f"audio is {told}; give a tensor of floats (sounds, samples), full scale 1")
    if not audio.shape[1]:
        raise UsageError("the sounds have no samples; give at least one")
    if not bool(torch.isfinite(audio).all()):
        sound, sample = (~torch.isfinite(audio)).nonzero()[0].tolist()
        raise UsageError(f"sample {sample} of sound {sound} is not finite; replace it first")
    return list(audio.detach().float().cpu().numpy())
