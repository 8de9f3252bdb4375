"""The rows of a report: an encoder's scores, or a baseline's, which are kept from one evaluation to the next.

Letters: N items, D dimensions.
"""

from __future__ import annotations

from typing import NamedTuple

from audiossl.data.items import Items
from audiossl.evaluation import cache
from audiossl.evaluation.baselines import Baseline
from audiossl.evaluation.features.source import Source
from audiossl.evaluation.measures.geometry import health
from audiossl.evaluation.options import EvaluateOptions
from audiossl.evaluation.probes import run_task
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.scores import Row, Score
from audiossl.evaluation.task import Task
from audiossl.progress import Progress


class Scorer(NamedTuple):
    """The protocols, each with its rounds, and which folds were asked for."""

    protocols: list[Protocol]
    tasks: list[Task]
    fingerprint: str
    folds: list[str]
    threads: int | None

    def offered(self, source: Source) -> Scorer:
        """Only the protocols that can score `source`."""
        pairs = zip(self.protocols, self.tasks, strict=True)
        kept = [(protocol, task) for protocol, task in pairs if source.offers(protocol)]
        return self._replace(protocols=[protocol for protocol, _ in kept], tasks=[task for _, task in kept])

    def score(self, source: Source, embedding_hash: str) -> dict[str, Score]:
        """The score under every protocol."""
        scores = {
            protocol.id: run_task(protocol, source.features(protocol, task), task, threads=self.threads)
            for protocol, task in zip(self.protocols, self.tasks, strict=True)
        }
        return {name: score.model_copy(update={"embedding_hash": embedding_hash}) for name, score in scores.items()}


def model_row(name: str, number: int, source: Source, scorer: Scorer) -> Row:
    """The row of the report's model `number`."""
    assert source.bundle is not None
    sha256 = source.bundle.sha256
    return Row(
        kind="pretrained",
        name=name,
        models=[number],
        seed=None,
        sha256=sha256,
        dim=source.clips.shape[1],
        scores=scorer.offered(source).score(source, sha256),
        health=health(source.clips, scorer.tasks[0]),
    )


def baseline_row(
    one: Baseline, items: Items, scorer: Scorer, options: EvaluateOptions, progress: Progress
) -> Row | None:
    """From the cache where every protocol is there, otherwise measured and kept; None where no protocol can."""
    source = Source(items, progress, one.encoder, one.plain)
    scorer = scorer.offered(source)
    if not scorer.protocols:
        return None
    key = {**one.key, "folds": scorer.folds} if scorer.folds else one.key
    places = [cache.place(key, protocol, scorer.fingerprint) for protocol in scorer.protocols]
    entries = [cache.recall(path) if options.cache else None for path in places]
    missing = [number for number, entry in enumerate(entries) if entry is None]
    if missing:
        left = scorer._replace(
            protocols=[scorer.protocols[number] for number in missing],
            tasks=[scorer.tasks[number] for number in missing],
        )
        found, dim = health(source.clips, scorer.tasks[0]), source.clips.shape[1]
        for number, score in zip(missing, left.score(source, cache.digest(one.key)).values(), strict=True):
            entries[number] = entry = cache.Kept(score=score, health=found, dim=dim)
            if options.cache:
                cache.keep(places[number], entry)
    kept = [entry for entry in entries if entry is not None]
    return Row(
        kind=one.kind,
        name=one.name,
        models=one.models,
        seed=one.seed,
        sha256=None,
        dim=kept[0].dim,
        scores={protocol.id: entry.score for protocol, entry in zip(scorer.protocols, kept, strict=True)},
        health=kept[0].health,
    )
