"""One process's share of the work, as a store of its own, and all shares as one store.

`--shard 1/4` embeds every item whose hash says 1, into `OUT/shard-1-of-4/`, with its own lock, index and failures: four
processes on four machines need not know of each other. What is asked is the item's key alone, so that a share is the
same whatever else is embedded, and in whatever order. `OUT` is read as one store once all shares are there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from audiossl.embedding.index import INDEX, KINDS, read_index
from audiossl.embedding.ledger import FAILURES, Failure, Key, read_failures
from audiossl.embedding.precision import worst
from audiossl.errors import DataError, UsageError
from audiossl.places.folder import Place, names

_FOLDER = re.compile(r"shard-(\d+)-of-(\d+)")
_TEXT = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True, order=True)
class Share:
    """Part `number` (from 0) of `of`."""

    of: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """`1/4` (raises `UsageError`: it is none)."""
        match = _TEXT.fullmatch(text.strip())
        if not match or int(match[1]) >= int(match[2]):
            raise UsageError(f"shard {text!r} cannot be; write i/n with i from 0 to n - 1, such as 0/4, 1/4, 2/4, 3/4")
        return cls(int(match[2]), int(match[1]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"shard-{self.number}-of-{self.of}"

    def holds(self, key: Key) -> bool:
        """Whether the item of `key` is of this share."""
        digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.of == self.number


def shares_in(folder: Place) -> list[Share]:
    """The shares whose folders are in `folder`, in order."""
    found = (_FOLDER.fullmatch(name) for name in names(folder))
    return sorted(Share(int(match[2]), int(match[1])) for match in found if match)


def open_index(folder: Place) -> dict[str, Any]:
    """The index of the store in `folder`, or of all its shares together.

    Raises:
        DataError: there is no store, its index is damaged, or its shares are not all there or not of one kind.
    """
    try:
        return read_index(folder)
    except DataError:
        if not (shares := shares_in(folder)):
            raise
    _refuse_parts(folder, shares)
    indices = [read_index(folder / share.folder) for share in shares]
    for share, index in zip(shares, indices, strict=True):
        if told := differences(indices[0]["parameters"], index["parameters"]):
            raise DataError(
                f"{folder}: shard {shares[0]} and shard {share} were made otherwise ({told}); "
                f"delete one of them and make it again with the options of the other"
            )
    parts = [
        {kind: replace(shard[kind], file=f"{share.folder}/{shard[kind].file}") for kind in KINDS}
        for share, index in zip(shares, indices, strict=True)
        for shard in index["shards"]
    ]
    checked = reduce(worst, (index.get("precision_check") for index in indices))
    return {**indices[0], "shards": parts, **({} if checked is None else {"precision_check": checked})}


def open_failures(folder: Place) -> dict[Key, Failure]:
    """What failed in a store, or in all its shares."""
    shares = shares_in(folder)
    places = [folder / share.folder for share in shares] if shares else [folder]
    return {key: failure for place in places for key, failure in read_failures(place).items()}


def failures_of(folder: Place) -> str:
    """Where `open_failures` reads, for people."""
    shares = shares_in(folder)
    return str(folder / (f"shard-*-of-{shares[0].of}/{FAILURES}" if shares else FAILURES))


def refuse_mixed(out: Place, share: Share | None, parameters: Mapping[str, Any]) -> None:
    """Raise `UsageError` where a run of this share, or of all, does not go with what is in `out`."""
    there = shares_in(out)
    if share is None:
        if there:
            raise UsageError(f"{out} holds shards of {there[0].of}; go on with --shard i/{there[0].of}, or {_OTHER}")
        return
    if INDEX in names(out):
        raise UsageError(f"{out} holds embeddings made without --shard; leave it out, or {_OTHER}")
    for other in there:
        if other.of != share.of:
            raise UsageError(f"{out} holds shards of {other.of}; write --shard i/{other.of}, or {_OTHER}")
        if other != share and INDEX in names(out / other.folder):
            refuse_others(out / other.folder, read_index(out / other.folder)["parameters"], parameters)


def refuse_others(folder: Place, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise `UsageError` with the differences when a store was made with other parameters."""
    if told := differences(there, here):
        raise UsageError(f"{folder} holds embeddings made otherwise ({told}); {_OTHER}, or the same options")


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Which parameters are others, in words; nothing where none is."""
    return "; ".join(
        f"{name}: {there.get(name)} there, {here.get(name)} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    )


_OTHER = "give another --out"


def _refuse_parts(folder: Place, shares: Sequence[Share]) -> None:
    of = shares[0].of
    if shares[-1].of != of:
        raise DataError(f"{folder}: holds shards of {of} and of {shares[-1].of}; delete those that do not belong")
    there = {share.number for share in shares if INDEX in names(folder / share.folder)}
    missing = [Share(of, number) for number in range(of) if number not in there]
    if missing:
        told = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        how = f"make them with `audiossl embed ... --shard i/{of}`"
        raise DataError(f"{folder}: {len(missing)} of {of} shards are missing ({told}); {how}")
