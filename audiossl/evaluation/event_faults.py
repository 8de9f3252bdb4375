"""What cannot be an event: refused by name before anything is embedded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from audiossl.data.items import Event, Items
from audiossl.data.walk import modality_of_names
from audiossl.devices import cores
from audiossl.errors import DataError, MediaError
from audiossl.modality import modality_named

SLACK_S = 0.1
"""Annotations are rounded, and sounds trimmed: an event may end so much after its item."""
TOLD = 5


def check_events(items: Items) -> None:
    """Refuse events that end before they start, lie outside their item, or start with another one of the same label.

    A file that cannot be read is no matter here: whoever embeds it will name it.

    Raises:
        DataError: the first faults, each with the item and the times.
    """
    rows = zip(items.column("id"), items.events(), items.column("labels"), _lengths_s(items), strict=True)
    faults = [
        f"{name}: {fault}" for name, events, labels, length_s in rows for fault in _faults(events, labels, length_s)
    ]
    if faults:
        more = f"\n... and {len(faults) - TOLD:,} more" if len(faults) > TOLD else ""
        raise DataError("\n".join(f"{items.name}: {fault}" for fault in faults[:TOLD]) + more)


def _faults(events: Sequence[Event], labels: Sequence[str], length_s: float) -> Iterator[str]:
    for event in events:
        told = f"{event.label} from {event.onset_s:g} to {event.offset_s:g} s"
        if event.label not in labels:
            yield f"the event {told} is not among the item's labels ({', '.join(labels) or 'none'}); add its label"
        if not (math.isfinite(event.onset_s) and math.isfinite(event.offset_s)):
            yield f"the event {told} has no time; write its onset and offset in seconds"
        elif event.offset_s <= event.onset_s:
            yield f"the event {told} ends before it starts; write an offset after its onset"
        elif event.onset_s < 0 or event.offset_s > length_s + SLACK_S:
            yield f"the event {told} lies outside its item of {length_s:g} s; times count from the item's start"
    in_order = sorted(events, key=lambda event: (event.label, event.onset_s))
    for one, other in pairwise(in_order):
        if (one.label, one.onset_s) == (other.label, other.onset_s):
            yield (
                f"two events {one.label} start at {one.onset_s:g} s (to {one.offset_s:g} and to {other.offset_s:g} s); "
                f"a label is heard or not, so make them one"
            )


def overlapping(events: Sequence[Event]) -> int:
    """How many events begin while another one of their label lasts.

    Whoever says of each label whether it is heard cannot find them; official data sets have such, so they are told.
    """
    until_s: dict[str, float] = {}
    count = 0
    for event in sorted(events):
        count += event.onset_s < until_s.get(event.label, -math.inf)
        until_s[event.label] = max(event.offset_s, until_s.get(event.label, -math.inf))
    return count


def _lengths_s(items: Items) -> list[float]:
    """How long each item is; infinity where that cannot be told."""
    duration_s = modality_named(modality_of_names(items.column("path"))).duration_s
    ranges = zip(items.paths(), items.column("start_s"), items.column("end_s"), strict=True)
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(lambda row: _length_s(duration_s, *row), ranges))


def _length_s(duration_s: Callable[[Path], float], path: Path, start_s: float | None, end_s: float | None) -> float:
    try:
        end_s = duration_s(path) if end_s is None else end_s
    except MediaError:
        return math.inf
    return end_s - (start_s or 0.0)
