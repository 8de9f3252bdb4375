"""How far bf16 is from float32 is measured on the first windows, told, and decides no number."""

from __future__ import annotations

import json
import math
import threading

import numpy as np
import pytest
import torch

from audiossl.api import embed
from audiossl.data.manifest import load_items
from audiossl.embedding.engine import Engine
from audiossl.embedding.extractor import make_extractor
from audiossl.embedding.jobs import jobs_of
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.precision import WINDOWS, PrecisionCheck, differences, worst
from audiossl.embedding.store import open_store
from audiossl_cli.app import run
from audiossl_cli.embed import precision_words
from tests.embedding.conftest import chirp


def by_loop(rows, exact):
    largest = relative = 0.0
    cosine = 1.0
    for a, b in zip(rows.tolist(), exact.tolist(), strict=True):
        off = max(abs(x - y) for x, y in zip(a, b, strict=True))
        largest, relative = max(largest, off), max(relative, off / max(abs(y) for y in b))
        dot, aa, bb = (sum(x * y for x, y in zip(p, q, strict=True)) for p, q in ((a, b), (a, a), (b, b)))
        cosine = min(cosine, dot / math.sqrt(aa * bb))
    return {"windows": len(rows), "largest_difference": largest, "largest_relative": relative, "lowest_cosine": cosine}


def test_the_measures_equal_a_slow_loop():
    exact = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    rows = exact.to(torch.bfloat16).float()
    found = differences(rows[:, None], exact[:, None])
    assert found == pytest.approx(by_loop(rows, exact), rel=1e-12)
    assert found["largest_difference"] > 0 and found["lowest_cosine"] < 1


def test_rows_of_zeros_and_rows_that_are_not_finite():
    zeros = torch.zeros(2, 1, 4)
    same = {"windows": 2, "largest_difference": 0.0, "largest_relative": 0.0, "lowest_cosine": 1.0}
    assert differences(zeros, zeros) == same
    broken = torch.tensor([[[math.nan] * 4], [[1.0] * 4]])
    assert differences(broken, broken) == same
    one = differences(torch.ones(1, 1, 4), torch.zeros(1, 1, 4))
    assert (one["largest_difference"], one["lowest_cosine"]) == (1.0, 0.0)


def test_only_the_first_windows_are_compared_whatever_the_threads():
    calls = []
    check = PrecisionCheck(lambda x_BS: calls.append(len(x_BS)) or x_BS[:, None] * 2)
    assert check.found() is None
    x = torch.ones(10, 3)
    threads = [threading.Thread(target=check.compare, args=(x, x[:, None] * 2.5)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(calls) == WINDOWS == 64
    assert check.found() == {
        "windows": 64,
        "largest_difference": 0.5,
        "largest_relative": 0.25,
        "lowest_cosine": pytest.approx(1.0),
    }


def test_the_worst_of_two_runs():
    a = {"windows": 64, "largest_difference": 0.1, "largest_relative": 0.02, "lowest_cosine": 0.99}
    b = {"windows": 3, "largest_difference": 0.2, "largest_relative": 0.01, "lowest_cosine": 0.999}
    wanted = {"windows": 67, "largest_difference": 0.2, "largest_relative": 0.02, "lowest_cosine": 0.99}
    assert worst(a, b) == wanted and worst(a, None) == a == worst(None, a) and worst(None, None) is None


def test_the_store_says_the_difference_of_its_first_windows(bundle, model, sounds, tmp_path):
    folder = sounds(1.0, 1.0)
    report = embed(model, folder, tmp_path / "bf16", precision="bf16", window_s=0.5, workers=1)
    told = open_store(tmp_path / "bf16").about["precision_check"]
    assert report.precision_check == told and told["windows"] == 4
    rows, exact = (
        np.concatenate(
            [
                result.embeddings
                for result in Engine(bundle, EmbedOptions(precision=precision, window_s=0.5, workers=1)).run(
                    jobs_of(load_items(str(folder)))
                )
            ]
        )
        for precision in ("bf16", "32")
    )
    assert told == pytest.approx(by_loop(rows, exact), rel=1e-3)
    assert 0 < told["largest_relative"] < 0.1


def test_it_decides_no_number_and_is_never_told_of_float32(bundle, model, sounds, tmp_path):
    x_BS = torch.from_numpy(chirp(1.0))[None]
    checked = make_extractor(bundle, EmbedOptions(precision="bf16"))
    first, *later = (checked.encode(x_BS) for _ in range(WINDOWS + 2))
    assert checked.about()["precision_check"]["windows"] == WINDOWS
    assert torch.equal(first, later[-1]), "compared or not"
    report = embed(model, sounds(1.0), tmp_path / "out")
    assert report.precision_check is None and "precision_check" not in open_store(tmp_path / "out").about


def test_it_survives_a_resumed_run_and_one_that_has_nothing_to_do(model, sounds, tmp_path):
    out, folder = tmp_path / "out", sounds(1.0, 0.7)
    first = embed(model, folder / "a.wav", out, precision="bf16").precision_check
    assert open_store(out).about["precision_check"] == first
    nothing = embed(model, folder / "a.wav", out, precision="bf16")
    assert nothing.precision_check is None and open_store(out).about["precision_check"] == first
    second = embed(model, folder, out, precision="bf16")
    assert second.skipped == 1
    assert open_store(out).about["precision_check"] == worst(first, second.precision_check)


def test_auto_is_bf16_only_where_the_hardware_multiplies_it(bundle, monkeypatch):
    for fast, wanted in ((True, "bf16"), (False, "32")):
        monkeypatch.setattr("audiossl.embedding.extractor.multiplies_bf16", lambda device, fast=fast: fast)
        assert Engine(bundle, EmbedOptions(precision="auto")).parameters()["precision"] == wanted


def test_people_and_machines_are_told(model, sounds, tmp_path, capsys):
    arguments = ["embed", str(model), str(sounds(1.0)), "--out", str(tmp_path / "out"), "--precision", "bf16"]
    assert run(arguments) == 0
    check = open_store(tmp_path / "out").about["precision_check"]
    assert precision_words(check) in capsys.readouterr().out
    assert run(["embeddings", "show", str(tmp_path / "out")]) == 0
    assert "lowest cosine" in capsys.readouterr().out
    assert run([*arguments[:-3], str(tmp_path / "again"), *arguments[-2:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["precision_check"] == check
