"""Predictive methods: what comes next is told from what came before. Defaults are the papers'."""

from __future__ import annotations

from typing import Literal

from audiossl.recipe.base import Count
from audiossl.recipe.methods.base import MethodBase


class CpcConfig(MethodBase):
    """CPC (van den Oord et al. 2018): the frames to come are told from other frames, given all that was heard so far.

    It is learnt from one crop of each clip; augmentations only make it harder. A crop gives as many predictions of
    step k as it has frames, less k. The embedding is the mean context, the output of the encoder's GRU. Of pictures
    the rows of patches are told from those above them, each column of patches as a sequence of its own.
    """

    family = "contrastive"
    paper = "van den Oord et al. 2018"
    needs = "the encoder causal, or causal_waveform with the front end waveform; for pictures patches"
    name: Literal["cpc"] = "cpc"
    steps: Count = 12
    """How many frames ahead are predicted, each by a matrix of its own; fewer than a crop has frames."""
    negatives_from: Literal["sequence", "batch", "both"] = "both"
    """Among which frames the right one is to be found: `sequence`, all frames of its own clip that step k can be asked
    for; `batch`, the frames of all clips at its time; `both`, either of these. The paper compares such choices."""
