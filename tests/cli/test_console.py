"""Where words go, how numbers look, what a line of progress says."""

import io
import json
import re

import pytest

from audiossl_cli import console
from audiossl_cli.console import Bar, Lines, amount, duration, emit_json, emit_table, progress, say


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_words_go_to_stderr_and_results_to_stdout(capsys):
    say("words")
    emit_json({"score": 0.5, "name": "Grüße 🐦"})
    captured = capsys.readouterr()
    assert captured.err == "words\n"
    assert json.loads(captured.out) == {"score": 0.5, "name": "Grüße 🐦"}
    assert "🐦" in captured.out


def test_json_with_nan_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        emit_json({"score": float("nan")})


def test_table_in_a_pipe_keeps_each_row_on_one_line_and_takes_names_as_they_are(capsys):
    name = "a/very/long/name/" * 12 + "[red]bold[/red].wav"
    emit_table(["file", "seconds"], [[name, 3.14159], ["b.wav", 12.0]])
    lines = capsys.readouterr().out.splitlines()
    assert any(name in line and "3.142" in line for line in lines)


def test_table_without_colour_codes_when_no_color_is_set(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    emit_table(["file", "seconds"], [["bird " * 20, 1.0]])
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]", screen.getvalue())
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    assert max(map(len, plain.splitlines())) <= 40


def test_progress_line_says_done_rate_time_left_and_facts(clock, capsys):
    lines = Lines()
    lines.start("pretraining", 100, "steps")
    clock[0] = 4.9
    lines.advance(10)
    assert "10/100" not in capsys.readouterr().err
    clock[0] = 10.0
    lines.advance(10, loss=5.12345)
    assert capsys.readouterr().err == "pretraining: 20/100 steps, 2/s, 40 s left, loss 5.123\n"


def test_without_a_terminal_a_line_comes_early_and_then_every_half_minute(clock, capsys):
    lines = Lines()
    lines.start("embedding", 1000, "files")
    said = {}
    for second in range(100):
        clock[0] = float(second)
        lines.advance(1)
        if line := capsys.readouterr().err.splitlines()[-1:]:
            said[second] = line[0]
    assert list(said) == [0, 5, 35, 65, 95]
    assert said[0] == "embedding: 1000 files" and said[35].startswith("embedding: 36/1000 files, 1.03/s")


def test_progress_of_a_continued_run_counts_only_new_work_for_its_rate(clock, capsys):
    lines = Lines()
    lines.start("pretraining", 100, "steps", done=80)
    clock[0] = 10.0
    lines.advance(10)
    assert "90/100 steps, 1/s, 10 s left" in capsys.readouterr().err


def test_progress_without_a_total_says_no_time_left(clock, capsys):
    lines = Lines()
    lines.start("counting", None, "files")
    clock[0] = 6.0
    lines.advance(12)
    assert "counting: 12 files, 2/s\n" in capsys.readouterr().err


def test_last_line_is_always_printed(clock, capsys):
    lines = Lines()
    lines.start("embedding", 2, "files")
    lines.advance(2)
    assert "2/2 files" in capsys.readouterr().err


def test_bar_on_a_terminal_lines_elsewhere(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(progress(), Lines)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(progress(), Bar)


def test_bar_survives_every_order_of_calls(capsys):
    bar = Bar()
    bar.advance()
    bar.start("pretraining", 3, "steps", done=1)
    bar.advance(1, loss=1.0)
    bar.start("embedding", None, "files")
    bar.advance()
    bar.close()
    bar.close()
    assert "pretraining" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (185, "3:05 min"), (7800, "2:10 h")])
def test_durations_read_as_people_write_them(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("n", "unit", "text"),
    [
        (12, "files", "12 files"),
        (999, "bytes", "999 bytes"),
        (1_000, "bytes", "1 kB"),
        (999_700, "bytes", "1 MB"),
        (2_428_923_189, "bytes", "2.43 GB"),
        (35_622_537_482_000, "bytes", "35.6 TB"),
    ],
)
def test_amounts_read_as_people_write_them(n, unit, text):
    assert amount(n, unit) == text


def test_progress_of_bytes_is_told_in_their_multiples(clock, capsys):
    lines = Lines()
    lines.start("downloading a.zip", 2_000_000_000, "bytes", done=500_000_000)
    clock[0] = 10.0
    lines.advance(100_000_000)
    assert capsys.readouterr().err == (
        "downloading a.zip: 2 GB\ndownloading a.zip: 600 MB of 2 GB, 10 MB/s, 2:20 min left\n"
    )
