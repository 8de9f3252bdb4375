"""From one record to one example: which text becomes which column of the items."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import PurePosixPath

from audiossl.data.items import Event, Item
from audiossl.data.lookups import Lookups, RowFault, column, fill, part_of
from audiossl.data.records import LABELS
from audiossl.data.source_schema import AnnotationSource, ColumnOf, Fields, FolderSource, Joined, LabelsOf, Lists, Value


def make_item(
    values: dict[str, str],
    fields: Fields,
    splits: Collection[str],
    lookups: Lookups,
    events: Sequence[Event] | None = None,
) -> Item:
    """One row of the table from a record that has its `path`.

    Args:
        values: the record.
        fields: of its source.
        splits: the splits that rows may have.
        lookups: the source's side files.
        events: the row's labelled stretches, whose labels it then has.

    Raises:
        RowFault: a field cannot be made of it.
    """
    path = plain(column(values, "path"))
    start_s, end_s = _seconds(values, fields.start_s), _seconds(values, fields.end_s)
    if end_s is not None and end_s <= (start_s or 0.0):
        raise RowFault(f"ends at {end_s:g} s, which is not after its start at {start_s or 0.0:g} s")
    times = "" if start_s is None and end_s is None else f"@{start_s or 0.0:g}-{'' if end_s is None else f'{end_s:g}'}"
    labels = _labels(values, fields, lookups) if events is None else sorted({event.label for event in events})
    return Item(
        id=fill(fields.id, values) if fields.id else path + times,
        path=path,
        start_s=start_s,
        end_s=end_s,
        labels=labels,
        split=_split(values, fields, splits, lookups),
        fold=_fold(values, fields, lookups),
        group=_value(values, fields.group, lookups) or None,
        text=_text(values, labels, fields) or None,
        events=tuple(events or ()),
    )


def make_event(values: dict[str, str], source: AnnotationSource, lookups: Lookups) -> Event:
    """One labelled stretch from a record (raises `RowFault`)."""
    onset_s, offset_s = _seconds(values, source.onset_s), _seconds(values, source.offset_s)
    if onset_s is None or offset_s is None or offset_s <= onset_s:
        raise RowFault(f"an event from {onset_s} to {offset_s} s; write its onset and, after it, its offset in seconds")
    labels = _labels(values, source, lookups)
    if len(labels) != 1:
        raise RowFault(f"an event has one label, and this one has {len(labels)}")
    return Event(onset_s, offset_s, labels[0])


def plain(path: str) -> str:
    """The same file under one name (raises `RowFault` for none)."""
    if not path:
        raise RowFault("names no file")
    if path.startswith("./") or "/./" in path or "//" in path:  # rare, and slow to ask for
        return PurePosixPath(path).as_posix()
    return path


def _labels(values: dict[str, str], fields: Fields, lookups: Lookups) -> list[str]:
    field = fields.labels
    if field is None:
        return []
    if isinstance(field, str):
        return [fill(field, values)]
    text = column(values, field.column)
    parts = re.split(f"[{re.escape(field.sep)}]", text) if field.sep else [text]
    labels = [_label(part.strip(), field, lookups) for part in parts if part.strip()]
    labels = [label for label in labels if label]
    if not labels and isinstance(fields, FolderSource):
        raise RowFault("is in no subfolder, whose name would be its label; move it into one")
    if not labels and not field.may_be_empty:
        raise RowFault(f"has no label in column {field.column}; write one, or leave the whole column out")
    return labels


def _label(text: str, field: LabelsOf, lookups: Lookups) -> str:
    label = _mapped(part_of(text, field.part), field)
    return lookups.label(label, field) if label else ""


def _text(values: dict[str, str], labels: list[str], fields: Fields) -> str:
    """One line, without space around it; empty where the record says nothing."""
    if fields.text is None:
        return ""
    words = fill(fields.text.template, {**values, LABELS: ", ".join(labels)})
    return " ".join(words.translate({ord(mark): " " for mark in fields.text.spaces}).split())


def _split(values: dict[str, str], fields: Fields, splits: Collection[str], lookups: Lookups) -> str | None:
    field = fields.split
    if isinstance(field, ColumnOf):
        text = part_of(column(values, field.column).strip(), field.part)
        text = (field.map or {}).get(text, text if field.otherwise is None or text in splits else field.otherwise)
    else:
        text = _value(values, field, lookups)
    if text and text not in splits:
        known = [*splits, *(field.map or {} if isinstance(field, ColumnOf) else ())]
        near = get_close_matches(text, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"write one of: {', '.join(known)}"
        raise RowFault(f"unknown split {text}; {hint}")
    return text or None


def _fold(values: dict[str, str], fields: Fields, lookups: Lookups) -> int | None:
    text = _value(values, fields.fold, lookups)
    if not text:
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise RowFault(f"fold {text} is not a whole number")
    return int(text)


def _seconds(values: dict[str, str], field: ColumnOf | None) -> float | None:
    text = "" if field is None else _mapped(part_of(column(values, field.column).strip(), field.part), field)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise RowFault(f"{text} is not a time in seconds")
    return seconds


def _value(values: dict[str, str], field: Value | None, lookups: Lookups) -> str:
    match field:
        case None:
            return ""
        case str():
            return fill(field, values)
        case Lists():
            return lookups.listed(field, values) or ""
        case Joined():
            return lookups.joined(field, values).strip()
        case ColumnOf():
            return _mapped(part_of(column(values, field.column).strip(), field.part), field)


def _mapped(text: str, field: ColumnOf) -> str:
    if field.map is None or not text:
        return text
    if text in field.map:
        return field.map[text]
    if field.otherwise is None:
        raise RowFault(f"{field.column} is {text}; the manifest knows {', '.join(field.map)}")
    return field.otherwise
