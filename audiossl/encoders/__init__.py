"""Encoders: from a spectrogram (batch, 1, frequency, time) to an embedding."""
