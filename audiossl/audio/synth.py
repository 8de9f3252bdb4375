"""The embedded demo sounds: twelve kinds of sound event, made from a seed.

What tells the classes apart is how a sound moves in time and frequency. Everything else is drawn at random so that it
tells nothing: pitch, level, onset, length, a recording's equalisation, background noise 3 to 20 dB below, and a
faint event of another class. Two takes of one source share its pitch and equalisation.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf

from audiossl.synth import Row, slot, write_set

SAMPLE_RATE = 16_000

Samples = npt.NDArray[Any]
Maker = Callable[[np.random.Generator, Samples, float], Samples]
"""From a generator, the times (T,) in seconds and a pitch in Hz to the event (T,), of any level."""


class SynthSound(NamedTuple):
    """One made sound and what it is."""

    samples: npt.NDArray[np.float32]
    row: Row


def make_sounds(folder: str | Path, n: int, seed: int) -> Path:
    """Write `n` sounds (WAV, 16 kHz, 16 bit, mono, 1.5 to 2 s) and a table of them: `synth.write_set`.

    The same seed and n give the same files.
    """
    return write_set(folder, n, lambda index: _wav(make_sound(index, seed)))


def make_sound(index: int, seed: int) -> SynthSound:
    """Sound number `index`: a pure function of `seed` and `index`."""
    row, recording, rng = slot(index, seed, LABELS, ".wav")
    pitch = _pitch(recording)
    length = _length(rng, 1.5, 2.0)
    event = _place(rng, MAKERS[row.label], length, pitch * 2 ** rng.uniform(-0.1, 0.1))
    other = LABELS[(index + int(rng.integers(1, len(LABELS)))) % len(LABELS)]
    clip = event + _db(rng.uniform(-35, -15)) * _place(rng, MAKERS[other], length, _pitch(rng))
    clip += _db(rng.uniform(-20, -3)) * _unit(_coloured(rng, length, rng.uniform(-1, 0)))
    clip = _equalise(recording, clip)
    clip *= _db(rng.uniform(-30, -1)) / np.abs(clip).max()
    return SynthSound(clip.astype(np.float32), row)


def _wav(sound: SynthSound) -> tuple[Row, bytes]:
    pcm = io.BytesIO()
    sf.write(pcm, sound.samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return sound.row, pcm.getvalue()


def _chirp_up(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    return _tone(_phase(f0 * rng.uniform(2, 4) ** (t / t[-1] - 0.5)), 2) * _swell(t)


def _chirp_down(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    return _chirp_up(rng, t, f0)[::-1]


def _steady(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    return _tone(_phase(np.full_like(t, f0)), 4) * _swell(t)


def _tremolo(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    return _steady(rng, t, f0) * (0.5 + 0.5 * np.sin(_phase(np.full_like(t, rng.uniform(6, 11))))) ** 2


def _siren(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    swing = np.sin(2 * np.pi * (rng.uniform(2, 4) * t + rng.random()))
    return _tone(_phase(f0 * 2 ** (rng.uniform(0.3, 0.6) * swing)), 3) * _swell(t)


def _trill(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    cycle = (t * rng.uniform(7, 13)) % 1
    notes: Samples = _tone(_phase(f0 * 2 ** (0.8 * (0.5 - cycle))), 2) * np.sin(np.pi * cycle) ** 2
    return notes


def _bell(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    ratios = np.array([0.5, 1.0, 1.19, 1.56, 2.0, 2.66, 3.76]) * rng.uniform(0.98, 1.02, 7)
    decays = rng.uniform(3, 7) * ratios**0.5
    partials = np.exp(-decays[:, None] * t) * np.sin(2 * np.pi * f0 * ratios[:, None] * t)
    strike: Samples = partials.sum(axis=0)
    return strike


def _knocks(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    since = (t % (1 / rng.uniform(4, 7))) + rng.uniform(0, 0.005)
    return np.exp(-60 * since) * np.sin(2 * np.pi * 0.4 * f0 * since)


def _clicks(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    spikes = np.where(rng.random(len(t)) < rng.uniform(10, 20) / SAMPLE_RATE, rng.uniform(0.5, 1, len(t)), 0.0)
    spikes[int(rng.integers(len(t)))] = 1.0
    ring = np.exp(-1200 * t[:200]) * np.cos(2 * np.pi * f0 * t[:200])
    return np.convolve(spikes, ring)[: len(t)]


def _bursts(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    gate = (t * rng.uniform(3, 6)) % 1 < rng.uniform(0.3, 0.5)
    smooth: Samples = np.convolve(gate, np.full(160, 1 / 160), mode="same")
    return _band(rng, len(t), f0, 1.5) * smooth


def _wind(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    gust = np.sin(2 * np.pi * (rng.uniform(0.5, 1.5) * t + rng.random()))
    return _band(rng, len(t), f0, 1.5) * (1 + 0.8 * gust) * _swell(t)


def _rattle(rng: np.random.Generator, t: Samples, f0: float) -> Samples:
    return _band(rng, len(t), f0, 1.0) * np.exp(-((t * rng.uniform(18, 30)) % 1) * 5) * _swell(t)


MAKERS: dict[str, Maker] = {
    "bell": _bell,
    "chirp_down": _chirp_down,
    "chirp_up": _chirp_up,
    "clicks": _clicks,
    "knocks": _knocks,
    "noise_bursts": _bursts,
    "rattle": _rattle,
    "siren": _siren,
    "steady_tone": _steady,
    "tremolo": _tremolo,
    "trill": _trill,
    "wind": _wind,
}
LABELS = tuple(MAKERS)


def _place(rng: np.random.Generator, make: Maker, length: int, pitch: float) -> Samples:
    """An event of 0.7 to 1.2 s at a random onset in `length` samples, of unit power where it sounds."""
    times = np.arange(_length(rng, 0.7, 1.2)) / SAMPLE_RATE
    clip = np.zeros(length)
    onset = int(rng.integers(length - len(times)))
    clip[onset : onset + len(times)] = _unit(make(rng, times, pitch))
    return clip


def _length(rng: np.random.Generator, low_s: float, high_s: float) -> int:
    """Samples between two lengths, a multiple of 50 ms: FFTs of such lengths are fast."""
    return SAMPLE_RATE // 20 * int(rng.integers(round(20 * low_s), round(20 * high_s), endpoint=True))


def _pitch(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(350), np.log(2200))))


def _phase(frequency: Samples) -> Samples:
    return 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE


def _tone(phase: Samples, harmonics: int) -> Samples:
    tone: Samples = np.sum([np.sin(k * phase) / k for k in range(1, harmonics + 1)], axis=0)
    return tone


def _swell(t: Samples) -> Samples:
    """Rise and fall over 50 ms at the ends."""
    gain: Samples = np.interp(np.minimum(t, t[-1] - t), [0, 0.05], [0, 1])
    return gain


def _band(rng: np.random.Generator, length: int, centre: float, octaves: float) -> Samples:
    """Noise in a band around `centre` Hz."""
    distance = np.abs(np.log2(np.maximum(_frequencies(length), 1.0) / centre))
    return _shaped(rng.standard_normal(length), np.exp(-((2 * distance / octaves) ** 2)))


def _coloured(rng: np.random.Generator, length: int, slope: float) -> Samples:
    """Noise of amplitude frequency**slope: 0 is white, -0.5 pink, -1 brown, flat below 50 Hz."""
    return _shaped(rng.standard_normal(length), np.maximum(_frequencies(length), 50.0) ** slope)


def _equalise(rng: np.random.Generator, samples: Samples) -> Samples:
    """A smooth random response of about +-4 dB, as of another room and microphone."""
    octave = np.log2(np.maximum(_frequencies(len(samples)), 50.0) / 50.0)
    gain_db = np.interp(octave, np.arange(8), rng.normal(0, 4, 8))
    return _shaped(samples, 10 ** (gain_db / 20))


def _frequencies(length: int) -> Samples:
    return np.fft.rfftfreq(length, 1 / SAMPLE_RATE)


def _shaped(samples: Samples, response: Samples) -> Samples:
    return np.fft.irfft(np.fft.rfft(samples) * response, len(samples))


def _unit(samples: Samples) -> Samples:
    return samples / float(np.sqrt(np.mean(samples**2)))


def _db(value: float) -> float:
    return float(10 ** (value / 20))
