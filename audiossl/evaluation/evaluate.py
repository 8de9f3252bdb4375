"""`evaluate`: pretrained encoders, their untrained twins and plain features, on the same folds, in one report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from pydantic import ValidationError

from audiossl.bundle.bundle import Bundle
from audiossl.bundle.load import load_bundle
from audiossl.data.items import Items
from audiossl.data.manifest import load_items
from audiossl.embedding.features import readable_features
from audiossl.errors import DataError, UsageError
from audiossl.evaluation import cache, metrics
from audiossl.evaluation.baselines import Baseline, baselines, floors
from audiossl.evaluation.gains import gains
from audiossl.evaluation.options import EvaluateOptions
from audiossl.evaluation.outcome import metric_of
from audiossl.evaluation.probes import run_task, task_of
from audiossl.evaluation.protocol import Protocol, load_protocol
from audiossl.evaluation.report import Extras, write_report
from audiossl.evaluation.scores import DataFacts, EvaluationReport, Health, ModelFacts, Row, Score
from audiossl.evaluation.source import Features, Source
from audiossl.evaluation.task import Task
from audiossl.evaluation.zero_shot import check_texts
from audiossl.progress import Progress, Silent
from audiossl.recipe.problems import problems
from audiossl.training.monitors import effective_rank, scaled_std
from audiossl.version import __version__

Model: TypeAlias = str | Path | Bundle

HEALTH_ITEMS = 2000
"""At most this many items enter the measures of health, which cost the square or cube of them."""
TOLD = 10
"""Failed files that a message names."""


class _Scorer(NamedTuple):
    """The protocols, each with its rounds, and which folds were asked for."""

    protocols: list[Protocol]
    tasks: list[Task]
    fingerprint: str
    folds: list[str]
    threads: int | None

    def offered(self, source: Source) -> _Scorer:
        """Only the protocols that can score `source`."""
        pairs = zip(self.protocols, self.tasks, strict=True)
        kept = [(protocol, task) for protocol, task in pairs if source.offers(protocol)]
        return self._replace(protocols=[protocol for protocol, _ in kept], tasks=[task for _, task in kept])

    def score(self, source: Source) -> dict[str, Score]:
        """The score under every protocol."""
        return {
            protocol.id: run_task(protocol, source.features(protocol, task), task, threads=self.threads)
            for protocol, task in zip(self.protocols, self.tasks, strict=True)
        }


def evaluate(
    models: Model | Sequence[Model],
    on: str | Path | Items,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    run_folder: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> EvaluationReport:
    """Score encoders on labelled items, beside their untrained twins and log-mel statistics.

    Args:
        models: one or several encoder bundles, or their paths.
        on: labelled items, or what `load_items` takes: a manifest's name, a CSV, a folder.
        data: where the manifest's files are.
        out: write `report.json` and `report.html` here.
        run_folder: of the training, for its curves in the page.
        progress: told about the extraction of every row.
        options: fields of `EvaluateOptions`, such as `protocols=["knn@1"], baselines=False`.

    Raises:
        UsageError: no model, an option that cannot be, an unknown protocol, or one twice.
        DataError: items without labels, files that cannot be read, folds that leak (see `make_task`).
        CheckpointError: a model that is not a bundle.
    """
    said, progress = _options(options), progress or Silent()
    models = [models] if isinstance(models, str | Path | Bundle) else list(models)
    if not models:
        raise UsageError("there is no model to evaluate; give the path of an encoder bundle")
    chosen = _protocols(said.protocols)
    items = on if isinstance(on, Items) else _items(on, data, said)
    tasks = _tasks(chosen, items, said)  # labels, folds and texts are looked at before hours of embedding
    bundles = [model if isinstance(model, Bundle) else load_bundle(model) for model in models]
    names = [_name(model, number) for number, model in enumerate(models)]
    for name, bundle in zip(names, bundles, strict=True):
        check_texts(name, bundle, items, chosen, tasks)
    features, items, failed = _embed(bundles, items, said, progress)
    tasks = _tasks(chosen, items, said)
    scorer = _Scorer(chosen, tasks, cache.data_fingerprint(items), _folds(said), said.threads)
    rows = [
        _row(name, number, Source(items, progress, lambda bundle=bundle: bundle, known=values), scorer)  # type: ignore[misc]
        for number, (name, bundle, values) in enumerate(zip(names, bundles, features, strict=True))
    ]
    if said.baselines:
        found = [_baseline_row(one, items, scorer, said, progress) for one in baselines(bundles, said.seeds)]
        rows += [row for row in found if row is not None]
    report = EvaluationReport(
        audiossl=__version__,
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        data=_data_facts(items, scorer, failed),
        models=[_model_facts(name, bundle) for name, bundle in zip(names, bundles, strict=True)],
        protocols={protocol.id: protocol.model_dump(mode="json") for protocol in chosen},
        metrics={protocol.id: metric_of(protocol, task) for protocol, task in zip(chosen, tasks, strict=True)},
        rows=rows,
        gains=gains(rows, chosen, tasks),
    )
    if out is not None:
        folder = None if run_folder is None else Path(run_folder)
        write_report(report, Path(out), Extras(features=features, run_folder=folder, map=said.map))
    return report


def _options(told: dict[str, Any]) -> EvaluateOptions:
    try:
        return EvaluateOptions(**told)
    except ValidationError as error:
        raise UsageError("\n".join(f"{path}: {what}" for path, what in problems(EvaluateOptions, error))) from error


def _items(source: str | Path, data: str | Path | None, said: EvaluateOptions) -> Items:
    return load_items(source, None if data is None else Path(data), labels_from_folders=said.labels_from_folders)


def _protocols(names: Sequence[str]) -> list[Protocol]:
    chosen = [load_protocol(name) for name in names]
    ids = [protocol.id for protocol in chosen]
    if len(set(ids)) < len(ids):
        raise UsageError(f"the protocols are {', '.join(ids)}; name each once")
    return chosen


def _tasks(protocols: Sequence[Protocol], items: Items, said: EvaluateOptions) -> list[Task]:
    tasks = [task_of(protocol, items) for protocol in protocols]
    return [task.only(_folds(said)) for task in tasks] if said.folds else tasks


def _folds(said: EvaluateOptions) -> list[str]:
    return [str(fold) for fold in said.folds or []]


def _embed(
    bundles: list[Bundle], items: Items, options: EvaluateOptions, progress: Progress
) -> tuple[list[Features], Items, list[str]]:
    """Each bundle's features of the items that all of them can read, those items, and the failed files."""
    results = [readable_features(bundle, items, progress=progress) for bundle in bundles]
    ok = np.logical_and.reduce([result.ok for result in results])
    failures = {str(one.job.path): f"{one.job.path}: {one.cause}" for result in results for one in result.failures}
    failed = list(failures.values())
    if not failed:
        return [result.values for result in results], items, []
    if not options.skip_failed:
        more = f"\n... and {len(failed) - TOLD:,} more" if len(failed) > TOLD else ""
        listed = "\n".join(failed[:TOLD])
        raise DataError(
            f"{len(failed)} of {len(items)} items cannot be embedded; mend or remove them, or leave them out with "
            f"--skip-failed:\n{listed}{more}"
        )
    if not ok.any():
        raise DataError(f"none of the {len(items)} items can be embedded; the first: {failed[0]}")
    return [result.values[ok] for result in results], items.take(np.flatnonzero(ok).tolist()), failed


def _row(name: str, number: int, source: Source, scorer: _Scorer) -> Row:
    assert source.bundle is not None
    return Row(
        kind="pretrained",
        name=name,
        models=[number],
        seed=None,
        sha256=source.bundle.sha256,
        dim=source.clips.shape[1],
        scores=scorer.offered(source).score(source),
        health=_health(source.clips),
    )


def _baseline_row(
    one: Baseline, items: Items, scorer: _Scorer, options: EvaluateOptions, progress: Progress
) -> Row | None:
    """From the cache where every protocol is there, otherwise measured and kept; None where no protocol can."""
    source = Source(items, progress, one.encoder, one.plain)
    scorer = scorer.offered(source)
    if not scorer.protocols:
        return None
    key = {**one.key, "folds": scorer.folds} if scorer.folds else one.key
    places = [cache.place(key, protocol, scorer.fingerprint) for protocol in scorer.protocols]
    recalled = [cache.recall(path) for path in places] if options.cache else []
    entries = [entry for entry in recalled if entry is not None]
    if len(entries) < len(places):
        health, dim = _health(source.clips), source.clips.shape[1]
        entries = [cache.Kept(score=score, health=health, dim=dim) for score in scorer.score(source).values()]
        if options.cache:
            for path, entry in zip(places, entries, strict=True):
                cache.keep(path, entry)
    return Row(
        kind=one.kind,
        name=one.name,
        models=one.models,
        seed=one.seed,
        sha256=None,
        dim=entries[0].dim,
        scores={protocol.id: entry.score for protocol, entry in zip(scorer.protocols, entries, strict=True)},
        health=entries[0].health,
    )


def _health(values: Features) -> Health:
    some = values[:: max(1, -(-len(values) // HEALTH_ITEMS))]
    z_ND = torch.from_numpy(some)
    return Health(rankme=effective_rank(z_ND), deviation=scaled_std(z_ND), uniformity=metrics.uniformity(some))


def _data_facts(items: Items, scorer: _Scorer, failed: list[str]) -> DataFacts:
    task = scorer.tasks[0]
    return DataFacts(
        source=items.name,
        task=items.design.task,
        target=task.target,
        n=len(items),
        classes=task.classes,
        ids=task.ids,
        groups=task.groups.tolist(),
        labels=task.label_lists,
        folds=[one.name for one in task.rounds],
        split_hash=items.split_hash,
        fingerprint=scorer.fingerprint,
        tested=[one.test.tolist() for one in task.rounds],
        floors=floors(task),
        failed=failed,
    )


def _model_facts(name: str, bundle: Bundle) -> ModelFacts:
    statistics = bundle.statistics
    return ModelFacts(
        path=name,
        sha256=bundle.sha256,
        dim=bundle.embedding_dim,
        recipe=bundle.recipe.model_dump(mode="json"),
        statistics={name: getattr(statistics, name) for name in ("mean", "std", "items", "scale")},
        about=dict(bundle.about),
    )


def _name(model: Model, number: int) -> str:
    return f"model {number + 1}" if isinstance(model, Bundle) else str(model)
