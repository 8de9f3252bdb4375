"""What must hold for a score to be believed, checked in every evaluation.

The encoder leaves an evaluation as it came, and nothing is on two sides of a split. (Groups and classes are checked
where the splits are made, in `audiossl.data.splits`.)

Letters: N items, D dimensions, L lines.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from audiossl.bundle.bundle import Bundle
from audiossl.data.items import Items
from audiossl.errors import DataError, MediaError
from audiossl.evaluation.task import Ints, Round, Task

Floats = NDArray[np.floating]
Content = Callable[[Path, float | None, float | None], bytes]
"""(file, start, end) to what it decodes to."""

NEAR = 1e-4
"""Embeddings whose difference is at most this share of their length may be of the same content."""
LINES = 4
"""Random lines on which neighbours are looked for: two that are near on one by chance are not so on all."""
SHOWN = 5


@contextmanager
def untouched(bundles: Sequence[Bundle]) -> Iterator[None]:
    """Make sure that every bit of the encoders is afterwards as it was before.

    Raises:
        RuntimeError: it is not; the fault is ours.
    """
    before = [digest(bundle) for bundle in bundles]
    yield
    for number, (bundle, then) in enumerate(zip(bundles, before, strict=True), start=1):
        if digest(bundle) != then:
            raise RuntimeError(f"the evaluation changed the weights of encoder {number}; its scores cannot be believed")


def digest(bundle: Bundle) -> str:
    """SHA-256 over name, type, shape and bytes of all parameters and buffers of a bundle."""
    sha = hashlib.sha256()
    for module in (bundle.frontend, bundle.encoder, bundle.text):
        if not isinstance(module, nn.Module):
            continue
        for name, tensor in sorted(module.state_dict().items()):
            sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


class Twice(NamedTuple):
    """One example on two sides of a round."""

    one: int
    other: int
    round: str

    def told(self, items: Items) -> str:
        """Both files and the split."""
        paths = items.column("path")
        return f"{paths[self.one]} and {paths[self.other]} (split {self.round})"


def same_files(items: Items) -> list[Ints]:
    """Sets of items that are the same stretch of files of the same bytes. Only files of equal size are read."""
    paths = items.paths()
    sizes = {path: path.stat().st_size for path in dict.fromkeys(paths) if path.is_file()}
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path, size in sizes.items():
        by_size[size].append(path)
    content: dict[Path, str] = {path: str(path) for path in paths}
    for alike in by_size.values():
        if len(alike) > 1:
            content.update({path: _file_digest(path) for path in alike})
    parts = zip(items.column("start_s"), items.column("end_s"), strict=True)
    return _sets((content[path], *part) for path, part in zip(paths, parts, strict=True))


def same_content(items: Items, features_ND: Floats, content: Content) -> list[Ints]:
    """Sets of items that decode to the same, whatever their files' names, sizes and formats.

    Equal content has all but equal embeddings, so only items whose embeddings nearly meet are decoded again.
    """
    near = _near(features_ND)
    rows = list(zip(items.paths(), items.column("start_s"), items.column("end_s"), strict=True))
    keys: list[Hashable] = list(range(len(items)))
    for item in near.tolist():
        try:
            keys[item] = hashlib.sha256(content(*rows[item])).digest()
        except MediaError:  # was left out, or is told of elsewhere
            continue
    return _sets(keys)


def across(sets: Sequence[Ints], tasks: Sequence[Task]) -> list[Twice]:
    """The examples that stand on two sides of a round, each pair once."""
    rounds = {(one.name, one.test.tobytes(), one.train.tobytes()): one for task in tasks for one in task.rounds}
    found: dict[tuple[int, int], Twice] = {}
    for one in rounds.values():
        for left, right in combinations(_sides(one), 2):
            for alike in sets:
                pairs = ((a, b) for a in alike[np.isin(alike, left)] for b in alike[np.isin(alike, right)])
                for a, b in pairs:
                    low, high = sorted((int(a), int(b)))
                    found.setdefault((low, high), Twice(low, high, one.name))
    return list(found.values())


def refuse(items: Items, twice: Sequence[Twice], noun: str) -> None:
    """Refuse what is on two sides of a split and called `noun` (raises `DataError` naming files and split)."""
    if not twice:
        return
    told = "; ".join(one.told(items) for one in twice[:SHOWN])
    more = f" and {len(twice) - SHOWN:,} more pairs" if len(twice) > SHOWN else ""
    raise DataError(
        f"{items.name}: the same {noun} is on both sides of a split: {told}{more}; the test would know its training; "
        f"remove one of each, or give both one group and one fold; with --allow-duplicates they are scored all the "
        f"same, and the report lists them"
    )


def _sides(one: Round) -> list[Ints]:
    return [side for side in (one.train, one.valid, one.test) if side is not None]


def _near(features_ND: Floats) -> Ints:
    """The items whose embedding nearly meets another's.

    Points that are close stay close on any line, so that neighbours on a random line are compared instead of all pairs,
    and of these only those that are neighbours on several.
    """
    x_ND = features_ND.astype(np.float64)
    x_ND -= x_ND.mean(axis=0)
    lines_DL = np.random.default_rng(0).standard_normal((x_ND.shape[1], LINES))
    reach = NEAR * float(np.linalg.norm(x_ND, axis=1).max(initial=0.0))
    order = np.argsort(x_ND @ lines_DL[:, 0], kind="stable")
    places_NL, reach_L = (x_ND @ lines_DL)[order], reach * np.linalg.norm(lines_DL, axis=0)
    found_N = np.zeros(len(x_ND), np.bool_)
    for step in range(1, len(order)):
        close = np.flatnonzero(places_NL[step:, 0] - places_NL[:-step, 0] <= reach_L[0])
        if not len(close):
            break
        close = close[(np.abs(places_NL[close + step] - places_NL[close]) <= reach_L).all(axis=1)]
        one, other = order[close], order[close + step]
        new = ~(found_N[one] & found_N[other])
        one, other = one[new], other[new]
        meet = np.linalg.norm(x_ND[one] - x_ND[other], axis=1) <= reach
        found_N[one[meet]] = found_N[other[meet]] = True
    return np.flatnonzero(found_N)


def _sets(keys: Iterable[Hashable]) -> list[Ints]:
    places: dict[Hashable, list[int]] = defaultdict(list)
    for item, key in enumerate(keys):
        places[key].append(item)
    return [np.array(alike) for alike in places.values() if len(alike) > 1]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        sha = hashlib.sha256()
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()
