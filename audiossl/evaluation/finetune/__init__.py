"""Protocols that train the encoder along: fine-tuning, and the same from random weights."""
