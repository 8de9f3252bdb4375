"""The one place that prints: words and progress to stderr, results to stdout, as a table or as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from audiossl.progress import Progress

FIRST_LINE_S, LINE_EVERY_S = 5.0, 30.0
"""Without a terminal, progress is a line after so long, soon enough to see that it goes, and then this often."""

BYTES = "bytes"
"""The unit that people read as kB, MB, GB."""


def say(sentence: str) -> None:
    """Print words for people, to stderr."""
    print(sentence, file=sys.stderr, flush=True)


def hush() -> None:
    """Keep the training library's chatter out of our words; call this after its import, which sets it talking."""
    import logging
    import warnings

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"lightning\.")


def emit(text: str) -> None:
    """Print a result, to stdout."""
    print(text, flush=True)


def emit_json(value: object) -> None:
    """Print a result as JSON, to stdout; NaN is refused with `ValueError`."""
    emit(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table, to stdout: numbers to the right, as wide as the terminal; in a pipe no cell is wrapped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Text, not str: a file name may hold square brackets, which rich reads as markup.
    table = Table(title=Text(title) if title else None, box=box.SIMPLE_HEAD, title_justify="left")
    for column, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[column], int | float) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 500).print(table)


def emit_entry(name: str, text: str, more: Sequence[str] = ()) -> None:
    """Print one entry of a list, to stdout: name, text, and further lines below it; in a pipe no line is wrapped."""
    from shutil import get_terminal_size
    from textwrap import fill

    width = max(40, get_terminal_size().columns) if sys.stdout.isatty() else 10_000
    emit(fill(text, width, initial_indent=f"  {name}  ", subsequent_indent="      ", break_on_hyphens=False))
    for line in more:
        emit(fill(line, width, initial_indent="      ", subsequent_indent="      ", break_on_hyphens=False))


def progress() -> Progress:
    """A listener for long work: a bar on a terminal, otherwise a line now and then."""
    return Bar() if sys.stderr.isatty() else Lines()


class Bar:
    """A bar with rate and time left."""

    def __init__(self) -> None:
        self._bar: RichProgress | None = None
        self._facts = ""

    def start(self, title: str, total: int | None, unit: str, *, done: int = 0) -> None:
        """Show an empty bar."""
        from rich import progress as rich
        from rich.console import Console

        self.close()
        self._bar = rich.Progress(
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(),
            *((rich.DownloadColumn(),) if unit == BYTES else (rich.MofNCompleteColumn(), rich.TextColumn(unit))),
            rich.TextColumn("{task.fields[rate]}", markup=False),
            rich.TimeRemainingColumn(),
            rich.TextColumn("{task.fields[facts]}", markup=False),
            console=Console(stderr=True),
        )
        self._unit = unit
        self._task = self._bar.add_task(title, total=total, completed=done, rate="", facts="")
        self._bar.start()

    def advance(self, n: int = 1, **facts: float | str) -> None:
        """Move the bar."""
        if self._bar:
            self._facts = words(facts) or self._facts
            speed = self._bar.tasks[0].speed
            self._bar.update(
                self._task, advance=n, rate=f"{rated(speed, self._unit)}/s" if speed else "", facts=self._facts
            )

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar:
            self._bar.stop()
            self._bar = None


class Lines:
    """A line every half minute, the first one earlier: done, rate, time left, facts."""

    def start(self, title: str, total: int | None, unit: str, *, done: int = 0) -> None:
        """Print the title."""
        self._title, self._total, self._unit = title, total, unit
        self._first, self._done, self._facts = done, done, ""
        self._began = time.monotonic()
        self._due = self._began + FIRST_LINE_S
        say(title if total is None else f"{title}: {amount(total, unit)}")

    def advance(self, n: int = 1, **facts: float | str) -> None:
        """Print a line when the last one is old enough."""
        self._done += n
        self._facts = words(facts) or self._facts
        now = time.monotonic()
        if now >= self._due or self._done == self._total:
            self._due = now + LINE_EVERY_S
            say(self._line(now - self._began))

    def close(self) -> None:
        """Nothing is left open."""

    def _line(self, elapsed_s: float) -> str:
        rate = (self._done - self._first) / max(elapsed_s, 1e-9)
        if self._unit == BYTES:
            line = amount(self._done, BYTES) + ("" if self._total is None else f" of {amount(self._total, BYTES)}")
        else:
            line = f"{self._done}{'' if self._total is None else f'/{self._total}'} {self._unit}"
        line = f"{self._title}: {line}, {rated(rate, self._unit)}/s"
        if self._total is not None and self._done < self._total:
            line += f", {duration((self._total - self._done) / max(rate, 1e-9))} left"
        return line + (f", {self._facts}" if self._facts else "")


def words(facts: dict[str, float | str]) -> str:
    """Facts on one line: `loss 5.1, std 0.04`."""
    return ", ".join(f"{name} {shown(value)}" for name, value in facts.items())


def amount(n: int, unit: str) -> str:
    """How many of a unit: `12 files`, and of bytes `1.3 GB`."""
    if unit != BYTES:
        return f"{n} {unit}"
    size = float(n)
    for prefix in ("", "k", "M", "G"):
        if size < 999.5:  # which would read as 1e+03
            return f"{size:.3g} {prefix}B" if prefix else f"{n} bytes"
        size /= 1000
    return f"{size:.3g} TB"


def rated(speed: float, unit: str) -> str:
    """How many in a second."""
    return amount(int(speed), BYTES) if unit == BYTES else f"{speed:.3g}"


def shown(value: object) -> str:
    """A value as people read it: four digits of a float."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """A length of time as people write it: `45 s`, `3:05 min`, `2:10 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
