"""From what a user asks with to a vector: an item of the store by its id or path, or a file from anywhere.

`NAME@SECONDS` is the window of NAME that holds that moment; NAME alone is the whole clip, the mean over its windows.
A file from outside is embedded by the model that made the store, with the store's parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audiossl.embedding.store import Kind, Rows, Store
from audiossl.errors import MediaError, UsageError
from audiossl.places.urls import absolute, shown, url_of

if TYPE_CHECKING:
    from audiossl.bundle.baseline import Model
    from audiossl.bundle.bundle import Array
    from audiossl.embedding.engine import Engine


class Queries(NamedTuple):
    """Vectors to search with (Q, D), and for each its row among the store's clips, -1 for a file from outside."""

    vectors: Array
    items: Rows


class _Meaning(NamedTuple):
    """What a name means: the item's row, or -1 and a path; of that a moment, or None for the whole."""

    item: int
    path: str
    moment_s: float | None


def resolve(store: Store, names: Sequence[str], model: str | Path | None = None) -> Queries:
    """The vectors that `names` mean in a store that is not empty.

    Args:
        store: where items are looked up.
        names: ids, paths, or either with `@SECONDS`.
        model: the bundle that made the store, where it is not at its old place. Not read when all names are items.

    Raises:
        UsageError: a name means nothing or several items, no window holds its moment, or the model is another.
        MediaError: a file from outside cannot be read.
    """
    meanings = _meanings(store, names)
    query_QD = np.empty((len(names), store.embedding_dim), np.float32)
    inside: dict[Kind, list[tuple[int, int]]] = {"clips": [], "windows": []}
    for at, (item, _, moment_s) in enumerate(meanings):
        if item >= 0 and moment_s is None:
            inside["clips"].append((at, item))
        elif item >= 0 and moment_s is not None:
            inside["windows"].append((at, _window(store, item, moment_s)))
    for kind, found in inside.items():
        rows, where = np.unique([row for _, row in found], return_inverse=True)
        query_QD[[at for at, _ in found]] = store.embeddings(kind, rows)[where] if found else 0.0
    if outside := [at for at, meaning in enumerate(meanings) if meaning.item < 0]:
        query_QD[outside] = _embedded(_engine(store, model), [meanings[at] for at in outside])
    return Queries(query_QD, np.array([meaning.item for meaning in meanings], np.int64))


def _meanings(store: Store, names: Sequence[str]) -> list[_Meaning]:
    wanted = {part for name in names for part in (name, _parts(name)[0])}
    clips = store.table("clips", ["id", "path"])
    by_id, by_path = _where(clips["id"], wanted), _where(clips["path"], {_absolute(name) for name in wanted})
    return [_meaning(store, name, by_id, by_path, clips["id"]) for name in names]


def _meaning(
    store: Store, name: str, by_id: Mapping[str, list[int]], by_path: Mapping[str, list[int]], ids: pa.ChunkedArray
) -> _Meaning:
    meanings = list(dict.fromkeys(((name, None), _parts(name))))
    for asked, moment_s in meanings:
        items = by_id.get(asked) or by_path.get(_absolute(asked)) or []
        if len(items) > 1:
            how = "give the full path of a file, or the id of a part"
            raise UsageError(f"{shown(asked)} means {len(items)} items of {store.folder}; {how}")
        if items or Path(asked).is_file() or (url_of(asked) and (asked, moment_s) == meanings[-1]):
            return _Meaning(items[0] if items else -1, asked, moment_s)
    near = get_close_matches(name, ids.to_pylist(), n=1)
    other = f"give an id of the store, or the path of a {store.modality.noun} file"
    hint = f"did you mean {near[0]}?" if near else other
    raise UsageError(f"{shown(name)} is no item of {store.folder} and no file; {hint}")


def _embedded(engine: Engine, meanings: Sequence[_Meaning]) -> Array:
    """The vector of each file from outside."""
    from audiossl.embedding.jobs import Embedded, Job

    vectors = np.empty((len(meanings), engine.embedding_dim), np.float32)
    jobs = [Job(at, url_of(meaning.path) or Path(meaning.path)) for at, meaning in enumerate(meanings)]
    for done in engine.run(jobs):
        meaning = meanings[done.job.index]
        if not isinstance(done, Embedded):
            raise MediaError(shown(meaning.path), done.cause, done.offset_s)
        if meaning.moment_s is None:
            vectors[done.job.index] = done.clip
        else:
            vectors[done.job.index] = done.embeddings[
                _holding(done.start_s, done.end_s, meaning.moment_s, meaning.path)
            ]
    return vectors


def _window(store: Store, item: int, moment_s: float) -> int:
    """The row of the window of `item` that holds a moment."""
    rows = np.flatnonzero(store.items("windows") == item)
    times = store.table("windows", ["path", "start_s", "end_s"], rows)
    path = times["path"][0].as_py()
    return int(rows[_holding(times["start_s"].to_numpy(), times["end_s"].to_numpy(), moment_s, path)])


def _absolute(name: str) -> str:
    return absolute(name)


def _where(column: pa.ChunkedArray, values: Collection[str]) -> dict[str, list[int]]:
    """The rows of each value that is there."""
    rows = np.flatnonzero(pc.is_in(column, pa.array(list(values), pa.string())).to_numpy())
    found: dict[str, list[int]] = {}
    for row, value in zip(rows.tolist(), column.take(rows).to_pylist(), strict=True):
        found.setdefault(value, []).append(row)
    return found


def _parts(name: str) -> tuple[str, float | None]:
    """`a.wav@1.5` as its name and its moment in seconds."""
    head, _, tail = name.rpartition("@")
    try:
        return (head, float(tail)) if head else (name, None)
    except ValueError:
        return name, None


def _holding(start_s: np.ndarray, end_s: np.ndarray, moment_s: float, path: str) -> int:
    """The window that holds a moment; of several, the one whose middle is nearest, and the earlier of equals."""
    if np.isnan(start_s).all():
        raise UsageError(f"{path}: has no time to choose a window by; leave @{moment_s:g} out")
    holds = (start_s <= moment_s) & (moment_s < end_s)
    if not holds.any():
        raise UsageError(f"{path}: no window holds {moment_s:g} s; they lie between {start_s[0]:g} and {end_s[-1]:g} s")
    return int(np.argmin(np.where(holds, np.abs((start_s + end_s) / 2 - moment_s), np.inf)))


def _engine(store: Store, model: str | Path | None) -> Engine:
    """The store's model with its parameters. torch is imported here, for files from outside only."""
    from audiossl.embedding.engine import Engine
    from audiossl.embedding.options import EmbedOptions

    known = {name: value for name, value in store.about["parameters"].items() if name in EmbedOptions.model_fields}
    return Engine(_model(store, model), EmbedOptions(**known))


def _model(store: Store, model: str | Path | None) -> Model:
    """The model that made the store, by its hash."""
    from audiossl.bundle.baseline import BASELINES, load_model

    wanted, place = store.about["parameters"]["model"], model or store.about["model"].get("path")
    if place is None or (model is None and place not in BASELINES and not Path(place).is_file()):
        why = "does not say where its model is" if place is None else f"was made by {place}, which is gone"
        raise UsageError(f"{store.folder} {why}; give the bundle of sha256 {wanted[:12]}... with --model")
    found = load_model(place)
    if found.sha256 != wanted:
        raise UsageError(
            f"{place} (sha256 {found.sha256[:12]}...) is not the model that made {store.folder} ({wanted[:12]}...); "
            "give that one with --model"
        )
    return found
