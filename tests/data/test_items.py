"""The table of examples: rows in order, chosen by split and fold, and hashes that tell when they differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl.data.items import Design, Event, Item, Items
from audiossl.errors import DataError

ROWS = [
    Item("a", "x/a.wav", labels=["dog"], split="train", fold=1, group="g1", text="a dog"),
    Item("b", "x/b.wav", 0.5, 1.5, ["cat"], "train", 2, "g2"),
    Item("c", "x/b.wav", 1.5, 2.5, ["dog"], "test", 2, events=(Event(0.1, 0.4, "dog"), Event(0.3, 0.5, "dog"))),
]


def items(rows: list[Item] = ROWS) -> Items:
    return Items.from_rows(rows, Path("root"), name="zoo")


def test_rows_come_back_as_they_went_in():
    assert [row._replace(labels=list(row.labels)) for row in items().rows()] == ROWS
    assert items().paths() == [Path("root/x/a.wav"), Path("root/x/b.wav"), Path("root/x/b.wav")]
    assert len(items()) == 3
    assert len(items([])) == 0


def test_take_and_where_choose_rows():
    assert items().take([2, 0]).column("id") == ["c", "a"]
    assert items().where(splits=["train"]).column("id") == ["a", "b"]
    assert items().where(folds=[2]).column("id") == ["b", "c"]
    assert items().where(folds=[2, 1]).column("id") == ["a", "b", "c"]
    assert items().where(splits=["train"], folds=[2]).column("id") == ["b"]
    assert items().where().column("id") == ["a", "b", "c"]


def test_an_unknown_split_or_fold_is_refused_with_those_there():
    with pytest.raises(DataError, match=r"zoo: there is no split valid; write one of: test, train"):
        items().where(splits=["valid"])
    with pytest.raises(DataError, match=r"no fold 3; write one of: 1, 2"):
        items().where(folds=[3])


def test_labels():
    assert items().label_list() == ["dog", "cat", "dog"]
    assert (items().classes, items().has_labels, items().multilabel) == (["cat", "dog"], True, False)
    bare = items([Item("a", "a.wav")])
    assert (bare.label_list(), bare.has_labels, bare.classes) == ([None], False, [])
    several = items([Item("a", "a.wav", labels=["x", "y"])])
    assert several.multilabel
    with pytest.raises(DataError, match="a has 2 labels"):
        several.label_list()


def test_split_hash_tells_splits_apart_and_ignores_order_and_root():
    same = Items.from_rows(ROWS[::-1], Path("elsewhere"))
    assert same.split_hash == items().split_hash
    for change in (ROWS[0]._replace(fold=3), ROWS[0]._replace(split="test"), ROWS[0]._replace(id="z")):
        assert items([change, *ROWS[1:]]).split_hash != items().split_hash
    assert items([ROWS[0]._replace(labels=["cat"]), *ROWS[1:]]).split_hash == items().split_hash


def test_split_hash_tells_designs_apart():
    def designed(rows: list[Item], **design: object) -> str:
        return Items.from_rows(rows, Path(), design=Design(**design)).split_hash

    assert designed(ROWS) == designed(ROWS, by="fold") == items().split_hash
    assert designed(ROWS, by="group") == designed(ROWS[::-1], by="group") != items().split_hash
    assert designed([ROWS[0]._replace(group="g3"), *ROWS[1:]], by="group") != designed(ROWS, by="group")
    sides = [{}, {"train": ("train",)}, {"valid": ("valid",)}, {"test": ("train",)}]
    assert len({designed(ROWS, by="split", **side) for side in sides}) == 4


def test_fingerprint_tells_what_is_read_and_in_which_order():
    assert Items.from_rows(ROWS, Path("elsewhere")).fingerprint == items().fingerprint
    assert items(ROWS[::-1]).fingerprint != items().fingerprint
    assert items([ROWS[0], ROWS[1]._replace(end_s=1.6), ROWS[2]]).fingerprint != items().fingerprint
    assert items([ROWS[0]._replace(split="test"), *ROWS[1:]]).fingerprint == items().fingerprint


def test_what_is_said_of_a_clip_is_read_by_methods_of_pairs_only():
    other = items([ROWS[0]._replace(text="a cat"), *ROWS[1:]])
    assert other.fingerprint == items().fingerprint
    assert other.paired_fingerprint != items().paired_fingerprint
    assert items(ROWS[::-1]).paired_fingerprint != items().paired_fingerprint


def test_a_name_that_is_not_unicode_is_refused():
    with pytest.raises(DataError, match="not valid UTF-8; rename it"):
        items([Item("a", "caf\udce9.wav")])
