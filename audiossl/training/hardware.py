"""What this machine multiplies fast."""

from __future__ import annotations

import ctypes
import sys
from typing import Literal

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's <malloc.h>


def device_kind(accelerator: Literal["auto", "cpu", "cuda", "mps"]) -> Literal["cpu", "cuda", "mps"]:
    """`cuda`, `mps` or `cpu`: what `accelerator` (perhaps "auto") comes to here."""
    if accelerator != "auto":
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def multiplies_bf16(device: str) -> bool:
    """Whether `device` multiplies bfloat16 in hardware: AMX or AVX-512 BF16 on a CPU, CUDA from capability 8.0 on.

    Without such units bfloat16 is slower than float32 on a CPU.
    """
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    if device != "cpu":
        return False
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # private names, so absent ones count as no
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


def keep_freed_memory() -> None:
    """Let the C library keep large freed blocks instead of returning them to the system (glibc only).

    Activations of a step are hundreds of megabytes; returned and asked for again, every page of them faults. Measured
    on AudioNTT2020 in float32: 1.5 times the speed of a training step.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
