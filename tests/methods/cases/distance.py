"""The cases of the family `distance`."""

from __future__ import annotations

from tests.methods.case import Case

CASES: list[Case] = []
