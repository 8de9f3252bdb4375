"""The records of losses.json: value and gradient of every loss by several libraries and by the reference formulas."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

Groups = Mapping[str, Callable[..., Tensor]]
"""A record's group, or the first part of it -> (params, *inputs) -> scalar."""


def records(shared: Path) -> list[dict]:
    return json.loads((shared / "reference/losses.json").read_text())["records"]


def family(record: dict) -> str:
    return record["group"].split("/")[0]


def check(shared: Path, groups: Groups) -> int:
    """Value and gradient of every record of `groups` in float64 and float32; gives the number of records met.

    An input without a gradient in the record is one that no gradient may reach.
    """
    arrays = np.load(shared / "reference/losses.npz")
    chosen = [record for record in records(shared) if {record["group"], family(record)} & groups.keys()]
    for record in chosen:
        loss = groups.get(record["group"]) or groups[family(record)]
        # records of float32-only implementations agree no closer than their own arithmetic
        only_float32 = record["value"] == record.get("value_f32")
        for dtype, tolerance in ((torch.float64, 1e-5 if only_float32 else 1e-9), (torch.float32, 1e-5)):
            inputs = [torch.tensor(arrays[f"in/{name}"], dtype=dtype, requires_grad=True) for name in record["inputs"]]
            value = loss(record["params"], *inputs)
            if record["params"].get("eps"):
                tolerance = max(tolerance, 1e-7)
            assert value.item() == pytest.approx(record["value"], rel=tolerance, abs=2e-8), record["name"]
            value.backward()
            for name, tensor in zip(record["inputs"], inputs, strict=True):
                expected = record["grad_norm"].get(name)
                if expected is None:
                    assert tensor.grad is None, (record["name"], name)
                    continue
                grad_tolerance = 1e-4 if dtype == torch.float32 or only_float32 else tolerance
                assert tensor.grad.norm().item() == pytest.approx(expected, rel=grad_tolerance), record["name"]
                if record.get("grad_in_npz") and dtype == torch.float64:
                    reference = arrays[f"grad/{record['name']}/{name}"]
                    assert np.abs(tensor.grad.numpy() - reference).max() <= 1e-9 * np.abs(reference).max()
    return len(chosen)
