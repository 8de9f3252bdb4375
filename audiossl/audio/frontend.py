"""From waveform to log-mel spectrogram, in batches and on the device of the batch; or to the waveform itself.

Promise of the log-mel: the same numbers as the plain transform (`plain_logmel`, the oracle of the tests) whatever the
batch, and the same for a crop as for those frames of the whole clip. On a CPU the work goes in pieces whose spectrum
stays in cache.

Shapes: B clips, S samples, T frames, W window, K bins, F mel bands.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.audio.mel import filter_bank
from audiossl.errors import DataError, RecipeError
from audiossl.recipe.frontends import FrontEndConfig, LogMelConfig, WaveformConfig

Samples = NDArray[np.float32]

# The complex spectrum of one piece stays in a core's cache: 0.8 to 2 MB measure alike, a whole batch four times slower.
_PIECE_BYTES = 1_700_000
_BANDS_PER_BLOCK = 24


def build_frontend(config: FrontEndConfig) -> FrontEnd:
    """The front end that `config` describes, in float32 (raises `RecipeError` when a mel band would hold no bin)."""
    return Waveform(config) if isinstance(config, WaveformConfig) else LogMel(config)


class FrontEnd(nn.Module, abc.ABC):
    """Waveforms (B, S) to what an encoder takes (B, 1, F, T), without gradients."""

    config: LogMelConfig | WaveformConfig

    @property
    def context(self) -> int:
        """Samples that a frame needs before its centre."""
        return self.config.window_length // 2

    def blank(self) -> Tensor:
        """A second of silence (1, S), prepared."""
        return torch.zeros(1, self.config.sample_rate)

    @abc.abstractmethod
    def samples_for(self, frames: int) -> int:
        """Samples, context included, that give `frames` frames with `centre=False`."""

    @abc.abstractmethod
    def frames_for(self, samples: int, centre: bool = True) -> int:
        """Frames that `samples` samples give."""

    @abc.abstractmethod
    def pad_context(self, samples: Samples) -> Samples:
        """The whole clip (S,) with padded ends, so that `forward(_, centre=False)` equals `forward(samples)`.

        Frame t of the clip then needs the samples from t * hop on, `samples_for(1)` of them.
        """

    def prepare(self, samples: Samples) -> Samples:
        """The whole-clip step (S,) -> (S',), before any crop: peak normalisation, then repetition up to `min_s`.

        Raises:
            DataError: the clip holds no samples.
        """
        if samples.size == 0:
            raise DataError("a clip without samples has no spectrogram; leave it out of the data")
        prepared: Samples = samples.astype(np.float32, copy=False)
        if self.config.waveform == "peak":
            centred = samples.astype(np.float64) - samples.mean(dtype=np.float64)
            prepared = (centred / (np.abs(centred).max() + self.config.headroom)).astype(np.float32)
        shortest = round(self.config.min_s * self.config.sample_rate)
        return np.resize(prepared, shortest) if len(prepared) < shortest else prepared


class Waveform(FrontEnd):
    """Waveforms (B, S) as they are, (B, 1, 1, S): a frame is a sample, which needs no other."""

    def __init__(self, config: WaveformConfig) -> None:
        super().__init__()
        self.config: WaveformConfig = config

    def samples_for(self, frames: int) -> int:
        """As many."""
        return frames

    def frames_for(self, samples: int, centre: bool = True) -> int:
        """As many."""
        return samples

    def pad_context(self, samples: Samples) -> Samples:
        """The clip itself."""
        return samples

    @torch.no_grad()
    def forward(self, x_BS: Tensor, centre: bool = True) -> Tensor:
        """The samples (B, 1, 1, S) in float32; `centre` changes nothing."""
        return x_BS.float()[:, None, None]


class LogMel(FrontEnd):
    """Waveforms (B, S) to log-mel (B, 1, F, T).

    Args:
        config: every number of the transform.
        dtype: float32, or float64 to check it.

    Raises:
        RecipeError: `n_fft` is so short that some mel band would hold no bin and be constant.
    """

    window: Tensor
    mel: Tensor

    def __init__(self, config: LogMelConfig, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config: LogMelConfig = config
        mel_FK = _mel_filters(config)
        self.register_buffer("window", _window(config).to(dtype), persistent=False)
        self.register_buffer("mel", torch.from_numpy(mel_FK.T.copy()).to(dtype), persistent=False)
        self._blocks = [_block(mel_FK, first) for first in range(0, config.n_mels, _BANDS_PER_BLOCK)]

    def samples_for(self, frames: int) -> int:
        """Samples, context included, that give `frames` frames with `centre=False`."""
        return (frames - 1) * self.config.hop + self.config.window_length

    def frames_for(self, samples: int, centre: bool = True) -> int:
        """Frames that `samples` samples give."""
        return 1 + (samples if centre else samples - self.config.window_length) // self.config.hop

    def pad_context(self, samples: Samples) -> Samples:
        """The whole clip (S,) with padded ends, reflected or zero, half a window each."""
        before, after = self.context, self.config.window_length - self.context
        if self.config.padding == "zeros":
            return np.pad(samples, (before, after))
        padded: Samples = samples[reflected(len(samples), before, after).numpy()]
        return padded

    @torch.no_grad()
    def forward(self, x_BS: Tensor, centre: bool = True) -> Tensor:
        """Log-mel (B, 1, F, T) of waveforms (B, S), in the dtype of the front end even under autocast.

        Args:
            x_BS: prepared waveforms, full scale 1.
            centre: pad the ends, so that frame t is centred on sample t * hop and T = 1 + S // hop. Otherwise the
                input carries its own context and T = 1 + (S - window_length) // hop.

        Raises:
            DataError: there are no samples, or without padding fewer than one window.
        """
        least = 1 if centre else self.config.window_length
        if x_BS.shape[1] < least:
            raise DataError(
                f"a clip of {x_BS.shape[1]} samples is too short for a spectrogram; it needs {least} or more"
            )
        with torch.autocast(x_BS.device.type, enabled=False):
            x_BS = x_BS.to(self.window.dtype)
            padded = pad_ends(x_BS, self.config) if centre else x_BS
            if self.config.wave_eps:
                padded = padded + self.config.wave_eps
            frames_BTW = padded.unfold(1, self.config.window_length, self.config.hop)
            batch, frames = frames_BTW.shape[:2]
            out_BFT = self.window.new_empty(batch, self.config.n_mels, frames)
            for clips, span in self._pieces(batch, frames, x_BS.device.type):
                mel_BTF = self._mel(frames_BTW[clips, span])
                _log_into(mel_BTF.transpose(1, 2), self.config, out_BFT[clips, :, span])
        return out_BFT.unsqueeze(1)

    def _pieces(self, batch: int, frames: int, device: str) -> Iterator[tuple[slice, slice]]:
        """Cut (batch, frames) into pieces of at most `_PIECE_BYTES` of spectrum on a CPU, not at all elsewhere."""
        frame_bytes = 2 * self.window.element_size() * (1 + self.config.n_fft // 2)
        rows = max(1, _PIECE_BYTES // frame_bytes) if device == "cpu" else max(1, batch * frames)
        clips, span = max(1, rows // max(1, frames)), min(frames, rows)
        for first in range(0, batch, clips):
            for start in range(0, frames, span):
                yield slice(first, first + clips), slice(start, start + span)

    def _mel(self, frames_BTW: Tensor) -> Tensor:
        """Mel energies (B, T, F). Framing by the window only turns the phase, which the magnitude does not see."""
        spectrum = torch.fft.rfft(frames_BTW * self.window, n=self.config.n_fft)
        squares = torch.view_as_real(spectrum).square_()
        power_NK = (squares[..., 0] + squares[..., 1]).flatten(0, 1)
        if self.config.power == 1:
            power_NK.sqrt_()
        # A band sees few bins: blocks of bands, each times its own bins, take half the time of the dense product.
        blocks = self._blocks if power_NK.device.type == "cpu" else [(slice(None), slice(None))]
        mel_NF = torch.cat([power_NK[:, bins] @ self.mel[bins, bands] for bins, bands in blocks], dim=1)
        return mel_NF.view(*frames_BTW.shape[:2], -1)


def plain_logmel(x_BS: Tensor, config: LogMelConfig) -> Tensor:
    """Log-mel (B, 1, F, T) by `torch.stft` and one dense product, in the dtype of `x_BS`: the slow oracle."""
    window = F.pad(_window(config), (0, config.n_fft - config.window_length)).to(x_BS)
    padded = F.pad(pad_ends(x_BS, config) + config.wave_eps, (0, config.n_fft - config.window_length))
    spectrum = torch.stft(padded, config.n_fft, config.hop, window=window, center=False, return_complex=True)
    mel_FK = torch.from_numpy(_mel_filters(config)).to(x_BS)
    mel_BFT = mel_FK @ spectrum.abs().pow(config.power)
    return _log_into(mel_BFT, config, torch.empty_like(mel_BFT)).unsqueeze(1)


def pad_ends(x_BS: Tensor, config: LogMelConfig) -> Tensor:
    """`x_BS` with half a window before and after (the odd sample after), by reflection or with zeros."""
    before = config.window_length // 2
    after = config.window_length - before
    if config.padding == "zeros":
        return F.pad(x_BS, (before, after))
    if x_BS.shape[1] > after:
        return F.pad(x_BS.unsqueeze(1), (before, after), mode="reflect").squeeze(1)
    return x_BS[:, reflected(x_BS.shape[1], before, after).to(x_BS.device)]


def reflected(samples: int, before: int, after: int) -> Tensor:
    """Indices (before + samples + after,) that reflect a clip at its ends, over and over where it is short."""
    period = max(1, 2 * (samples - 1))
    folded = torch.arange(-before, samples + after) % period
    return torch.minimum(folded, period - folded)


def _window(config: LogMelConfig) -> Tensor:
    make = {"hann": torch.hann_window, "hamming": torch.hamming_window}[config.window]
    return make(config.window_length, periodic=True, dtype=torch.float64)


def _mel_filters(config: LogMelConfig) -> NDArray[np.float64]:
    filters_FK = filter_bank(
        config.sample_rate, config.n_fft, config.n_mels, config.f_min, config.f_max, config.mel_scale, config.mel_norm
    )
    empty = int((filters_FK.sum(axis=1) == 0).sum())
    if empty:
        raise RecipeError(
            f"frontend: {empty} of {config.n_mels} mel bands hold no bin of an FFT of {config.n_fft} samples at "
            f"{config.sample_rate} Hz; write a larger n_fft or fewer n_mels"
        )
    return filters_FK


def _block(mel_FK: NDArray[np.float64], first: int) -> tuple[slice, slice]:
    """The bins that `_BANDS_PER_BLOCK` bands from `first` on use, and those bands."""
    bands = slice(first, first + _BANDS_PER_BLOCK)
    used = np.flatnonzero(mel_FK[bands].any(axis=0))
    return slice(int(used[0]), int(used[-1]) + 1), bands


def _log_into(mel: Tensor, config: LogMelConfig, out: Tensor) -> Tensor:
    shifted = mel + config.eps
    if config.log == "ln":
        return torch.log(shifted, out=out)
    torch.log10(shifted, out=out)
    return out.mul_(10) if config.log == "db" else out
