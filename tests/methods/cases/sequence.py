"""The cases of the methods over frames and pairs: CPC, multi-format, CLIP."""

from __future__ import annotations

from tests.methods.case import Case

CASES: list[Case] = []
