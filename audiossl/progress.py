"""How long work tells where it stands, without knowing who listens: a terminal, a log, or nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener for one piece of long work: `start`, then `advance` again and again, then `close`."""

    def start(self, title: str, total: int | None, unit: str, *, done: int = 0) -> None:
        """Begin.

        Args:
            title: what is done, such as `pretraining`.
            total: how many units there are; None where nobody knows.
            unit: their name in the plural.
            done: how many an earlier run has done; they do not count for the rate.
        """

    def advance(self, n: int = 1, **facts: float | str) -> None:
        """`n` more units are done; `facts` are small things worth seeing beside the bar, such as `loss=5.1`."""

    def close(self) -> None:
        """End, done or not."""


class Silent:
    """The listener that listens to nothing."""

    def start(self, title: str, total: int | None, unit: str, *, done: int = 0) -> None:
        """Ignore."""

    def advance(self, n: int = 1, **facts: float | str) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""
