"""Augmentations: batched modules over waveforms and spectrograms."""
