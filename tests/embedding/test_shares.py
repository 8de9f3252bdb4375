"""Fault F37: n processes share the work, and what they make reads as one store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audiossl.api import embed
from audiossl.embedding.search import search
from audiossl.embedding.shares import Share
from audiossl.embedding.store import KINDS, open_store
from audiossl.errors import DataError, UsageError
from audiossl_cli.app import run
from tests.places.conftest import memory  # noqa: F401 - a fixture

LENGTHS = (1.0, 0.3, 2.5, 1.0, 1.7, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1)


FOUR = """
import json, multiprocessing, sys
from audiossl.api import embed

def one(number):
    return embed(*sys.argv[1:], shard=f"{number}/4", window_s=0.5, workers=1).as_json()

with multiprocessing.get_context("fork").Pool(4) as pool:
    print(json.dumps(pool.map(one, range(4), chunksize=1)))
"""


@pytest.mark.timeout(120)
def test_f37_four_processes_at_once_give_the_rows_of_one(model, sounds, tmp_path, capsys):
    folder = sounds(*LENGTHS)
    (folder / "bad.wav").write_bytes(b"no sound")
    embed(model, folder, tmp_path / "one", window_s=0.5)
    arguments = [str(model), str(folder), str(tmp_path / "four")]
    done = subprocess.run([sys.executable, "-c", FOUR, *arguments], capture_output=True, text=True, check=True)
    reports = json.loads(done.stdout)
    assert sum(report["items"] for report in reports) == 13 and sum(report["embedded"] for report in reports) == 12
    one, four = open_store(tmp_path / "one"), open_store(tmp_path / "four")
    for kind in KINDS:
        assert one.table(kind) == four.table(kind)
        assert (one.embeddings(kind) == four.embeddings(kind)).all()
    assert [hit.id for hit in search(tmp_path / "one", "c.wav", k=9)[0].hits] == [
        hit.id for hit in search(tmp_path / "four", "c.wav", k=9)[0].hits
    ]
    assert run(["embeddings", "show", str(tmp_path / "four")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "failures 1, see" in said.replace("│ ", "") and "of-4/failures.csv" in said


def test_a_share_is_the_same_whatever_else_is_asked_for_and_in_whatever_order():
    keys = [(f"/sounds/{number}.wav", None if number % 3 else 1.5, None) for number in range(2000)]
    owners = [[number for number in range(7) if Share(7, number).holds(key)] for key in keys]
    assert all(len(owner) == 1 for owner in owners)
    counts = [owners.count([number]) for number in range(7)]
    assert min(counts) > 2000 / 7 * 0.8, "the shares are about equal"
    assert Share(4, 1).holds(("/sounds/a.wav", None, None)) == Share.parse("1/4").holds(("/sounds/a.wav", None, None))
    known = [number for number in range(1000) if Share(1000, number).holds(("/sounds/a.wav", 0.5, 2.0))]
    assert known == [418], "another hash would divide the work of a running extraction anew"


@pytest.mark.parametrize("text", ["4/4", "x", "1/0", "-1/4", "1", "1/4/2", "", "0.5/2"])
def test_a_share_that_cannot_be_is_one_sentence_and_exit_code_2(text, capsys, tmp_path):
    assert run(["embed", "gone.safetensors", "a.wav", "--out", str(tmp_path), "--shard", text]) == 2
    assert "such as 0/4" in capsys.readouterr().err


def test_shares_do_not_mix_with_a_plain_run_another_number_or_other_parameters(bundle, sounds, tmp_path):
    folder, plain, shared = sounds(*LENGTHS), tmp_path / "plain", tmp_path / "shared"
    embed(bundle, folder, plain)
    with pytest.raises(UsageError, match="made without --shard; leave it out"):
        embed(bundle, folder, plain, shard="0/2")
    embed(bundle, folder, shared, shard="0/2")
    with pytest.raises(UsageError, match=r"holds shards of 2; go on with --shard i/2"):
        embed(bundle, folder, shared)
    with pytest.raises(UsageError, match=r"holds shards of 2; write --shard i/2"):
        embed(bundle, folder, shared, shard="0/3")
    with pytest.raises(UsageError, match=r"shard-0-of-2 holds embeddings made otherwise \(window_s: auto there, 0.5"):
        embed(bundle, folder, shared, shard="1/2", window_s=0.5)
    assert sorted(path.name for path in shared.iterdir()) == ["shard-0-of-2"]
    assert embed(bundle, folder, shared, shard="0/2").embedded == 0


def test_shares_that_are_missing_or_unequal_are_told_in_one_sentence(bundle, sounds, tmp_path):
    folder, out = sounds(*LENGTHS), tmp_path / "out"
    embed(bundle, folder, out, shard="1/3")
    with pytest.raises(DataError, match=r"2 of 3 shards are missing \(0/3, 2/3\); make them with"):
        open_store(out)
    for number in (0, 2):
        embed(bundle, folder, out, shard=f"{number}/3")
    assert open_store(out).count("clips") == len(LENGTHS)
    index = out / "shard-2-of-3" / "index.json"
    changed = json.loads(index.read_text())
    changed["parameters"]["window_s"] = 0.5
    index.write_text(json.dumps(changed))
    with pytest.raises(
        DataError, match=r"shard 0/3 and shard 2/3 were made otherwise \(window_s: auto there, 0.5 here"
    ):
        open_store(out)
    Path(out / "shard-0-of-2").mkdir()
    with pytest.raises(DataError, match=r"holds shards of 2 and of 3"):
        open_store(out)


def test_more_shares_than_items_leave_empty_ones_that_count(bundle, sounds, tmp_path, memory):  # noqa: F811
    folder = sounds(0.3, 0.4)
    for out in (tmp_path / "out", "memory://out"):
        reports = [embed(bundle, folder, out, shard=f"{number}/5") for number in range(5)]
        assert sum(report.items == 0 for report in reports) >= 3
        assert open_store(out).clips()["id"].to_pylist() == ["a.wav", "b.wav"]
