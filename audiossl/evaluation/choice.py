"""Which protocols an evaluation runs: named ones, or groups of the shipped ones. Imports neither torch nor NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from audiossl.data.targets import Target
from audiossl.errors import UsageError
from audiossl.evaluation.protocol import Protocol, list_protocols, load_protocol

QUICK = ("lr_nested@1", "knn@1", "events_linear@1")
GROUPS = {
    "quick": "a linear probe and nearest neighbours; of timed events a linear head along time",
    "full": "every shipped protocol that needs no more than embeddings",
}
"""What may be said in the place of a protocol's name. Of a group only those run that score the data's target."""
TARGETS: dict[Target, str] = {
    "single": "one label per item",
    "multi": "several labels per item",
    "events": "timed events",
}


class Wanted(NamedTuple):
    """A protocol that was asked for by its own name, or as one of a group."""

    protocol: Protocol
    by_name: bool


def choose(names: Sequence[str]) -> list[Wanted]:
    """The protocols of names, files and groups, in the order asked for.

    Raises:
        UsageError: there is no such protocol, or one is named twice.
        RecipeError: a file does not say a protocol.
    """
    named = [load_protocol(name) for name in names if name not in GROUPS]
    ids = [protocol.id for protocol in named]
    if len(set(ids)) < len(ids):
        raise UsageError(f"the protocols are {', '.join(ids)}; name each once")
    found: dict[str, Wanted] = {}
    waiting = iter(named)
    for name in names:
        for one in _members(name) if name in GROUPS else [next(waiting)]:
            found.setdefault(one.id, Wanted(one, one.id in ids))
    return list(found.values())


def fitting(
    wanted: Sequence[Wanted], target: Target, source: str, *, timed: bool = True, lenient: bool = False
) -> list[Protocol]:
    """Those that score `target`; one asked for by name stays in any case, unless `lenient`, to be refused by name.

    Args:
        wanted: see `choose`.
        target: what is to be predicted.
        source: the data's name.
        timed: items have a length in time; without it protocols that look along time are refused by name, or left out.
        lenient: leave out what cannot score this, as long as something can.

    Raises:
        UsageError: none is left, or one needs time.
    """
    late = [one.protocol for one in wanted if one.protocol.needs_time and not timed]
    named = [one.protocol.id for one in wanted if one.protocol in late and one.by_name]
    if named and not lenient:
        raise UsageError(f"{named[0]} looks along time, and what {source} holds has none; choose another protocol")
    able = [one for one in wanted if one.protocol not in late]
    kept = [one.protocol for one in able if target in one.protocol.metrics or (one.by_name and not lenient)]
    if not kept:
        shipped = [load_protocol(name) for name in list_protocols()]
        able_ids = [one.id for one in shipped if target in one.metrics and (timed or not one.needs_time)]
        hint = f"choose {' or '.join(able_ids)}" if able_ids else "no shipped protocol does"
        asked = ", ".join(one.protocol.id for one in wanted)
        raise UsageError(f"{source} has {TARGETS[target]}, and none of {asked} scores such; {hint}")
    return kept


def groups_of(protocol: Protocol) -> list[str]:
    """The groups that a shipped protocol is in."""
    quick = ["quick"] if protocol.id in QUICK else []
    return [*quick, "full"] if protocol.features.unit != "sound" and not protocol.needs_text else quick


def _members(group: str) -> list[Protocol]:
    shipped = [load_protocol(name) for name in (QUICK if group == "quick" else list_protocols())]
    return [one for one in shipped if group in groups_of(one)]
