"""Losses as pure functions on tensors: no state, no ranks, float32 (or float64) inside whatever comes in.

Shapes: N clips, D embedding size, z_ND one embedding per row, row n of all views belonging to the same clip.
"""
