"""Lengths at which a Fourier transform is fast."""

from __future__ import annotations


def fast_length(at_least: int) -> int:
    """The least number of the form 1, 3, 5, 9 or 15 times a power of two that is not below `at_least`."""
    return min(odd << (-(-at_least // odd) - 1).bit_length() for odd in (1, 3, 5, 9, 15))
