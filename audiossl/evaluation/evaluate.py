"""`evaluate`: pretrained encoders, their untrained twins and plain statistics, on the same folds, in one report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from pydantic import ValidationError

from audiossl.bundle.bundle import Bundle
from audiossl.bundle.load import load_bundle
from audiossl.data.items import Items
from audiossl.data.manifest import load_items
from audiossl.data.splits import target_of
from audiossl.embedding.features import readable_features
from audiossl.errors import DataError, UsageError
from audiossl.evaluation import cache, honesty
from audiossl.evaluation.baselines import baselines
from audiossl.evaluation.choice import Wanted, choose, fitting
from audiossl.evaluation.features.source import Features, Source
from audiossl.evaluation.gains import gains
from audiossl.evaluation.heads.zero_shot import check_texts
from audiossl.evaluation.measures.floors import floors
from audiossl.evaluation.options import EvaluateOptions
from audiossl.evaluation.outcome import metric_of
from audiossl.evaluation.probes import task_of
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.report.write import Extras, write_report
from audiossl.evaluation.rows import Scorer, baseline_row, model_row
from audiossl.evaluation.scores import DataFacts, EvaluationReport, ModelFacts
from audiossl.evaluation.task import Ints, Task
from audiossl.modality import Modality
from audiossl.progress import Progress, Silent
from audiossl.recipe.problems import problems
from audiossl.version import __version__

Model: TypeAlias = str | Path | Bundle

TOLD = 10
"""Failed files that a message names."""


class Subjects(NamedTuple):
    """The encoders, loaded once, under the names they were given."""

    names: list[str]
    bundles: list[Bundle]

    @property
    def modality(self) -> Modality:
        """What they embed, which is the same for all."""
        return self.bundles[0].modality

    @property
    def timed(self) -> bool:
        """Whether that has a length in time."""
        return self.modality.rate(self.bundles[0].recipe) is not None


class Where(NamedTuple):
    """Where things are read and written beside the items."""

    out: Path | None = None
    run_folder: Path | None = None


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
    """Score encoders on labelled items, beside their untrained twins and plain statistics.

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
        DataError: items without labels, files that cannot be read, folds that leak (see `make_task`), an example on
            both sides of a split.
        CheckpointError: a model that is not a bundle.
    """
    said = spoken(options)
    wanted, found = choose(said.protocols), subjects(models)
    items = on if isinstance(on, Items) else items_of(on, data, said, found)
    where = Where(None if out is None else Path(out), None if run_folder is None else Path(run_folder))
    return evaluate_items(found, items, wanted, said, where, progress or Silent())


def spoken(told: dict[str, Any]) -> EvaluateOptions:
    """The options (raises `UsageError` for those that cannot be)."""
    try:
        return EvaluateOptions(**told)
    except ValidationError as error:
        raise UsageError("\n".join(f"{path}: {what}" for path, what in problems(EvaluateOptions, error))) from error


def subjects(models: Model | Sequence[Model]) -> Subjects:
    """Load the encoders (raises `UsageError` without any, `CheckpointError` at one that is no bundle)."""
    models = [models] if isinstance(models, str | Path | Bundle) else list(models)
    if not models:
        raise UsageError("there is no model to evaluate; give the path of an encoder bundle")
    names = [_name(model, number) for number, model in enumerate(models)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{twice[0]} is given twice; give each model once")
    bundles = [model if isinstance(model, Bundle) else load_bundle(model) for model in models]
    kinds = {bundle.modality.noun: name for name, bundle in zip(names, bundles, strict=True)}
    if len(kinds) > 1:
        told = " and ".join(f"{name} is of {noun}s" for noun, name in kinds.items())
        raise UsageError(f"{told}; evaluate them apart")
    return Subjects(names, bundles)


def items_of(source: str | Path, data: str | Path | None, said: EvaluateOptions, models: Subjects) -> Items:
    """What `models` are to be evaluated on (raises `DataError`, see `load_items`)."""
    return load_items(
        source,
        None if data is None else Path(data),
        labels_from_folders=said.labels_from_folders,
        modality=models.modality.name,
    )


def evaluate_items(
    models: Subjects,
    items: Items,
    wanted: Sequence[Wanted],
    said: EvaluateOptions,
    where: Where,
    progress: Progress,
    *,
    lenient: bool = False,
) -> EvaluationReport:
    """`evaluate` of what was looked up before.

    Args:
        models: the encoders.
        items: with labels.
        wanted: the protocols, see `choose`.
        said: how it runs.
        where: the folder of the report, and of the training.
        progress: told about the extraction of every row.
        lenient: leave out protocols that do not score these labels, as long as one does.

    Raises:
        UsageError, DataError: see `evaluate`.
    """
    chosen = fitting(wanted, target_of(items), items.name, timed=models.timed, lenient=lenient)
    tasks = _tasks(chosen, items, said)  # labels, folds, texts and files are looked at before hours of embedding
    for name, bundle in zip(models.names, models.bundles, strict=True):
        check_texts(name, bundle, items, chosen, tasks)
    _duplicates(models, items, honesty.same_files(items), tasks, said)
    with honesty.untouched(models.bundles):
        features, items, failed = _embed(models.bundles, items, said, progress)
        tasks = _tasks(chosen, items, said) if failed else tasks
        duplicates = _duplicates(models, items, _same_content(models.bundles[0], items, features[0]), tasks, said)
        scorer = Scorer(chosen, tasks, cache.data_fingerprint(items), _folds(said), said.threads)
        rows = [
            model_row(name, number, _source(bundle, values, items, said, progress), scorer)
            for number, (name, bundle, values) in enumerate(zip(*models, features, strict=True))
        ]
        if said.baselines:
            found = [baseline_row(one, items, scorer, said, progress) for one in baselines(models.bundles, said.seeds)]
            rows += [row for row in found if row is not None]
    report = EvaluationReport(
        audiossl=__version__,
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        data=_data_facts(models.modality.noun, items, scorer, failed, duplicates),
        models=[_model_facts(name, bundle) for name, bundle in zip(*models, strict=True)],
        protocols={protocol.id: protocol.model_dump(mode="json") for protocol in chosen},
        metrics={protocol.id: metric_of(protocol, task) for protocol, task in zip(chosen, tasks, strict=True)},
        rows=rows,
        gains=gains(rows, chosen, tasks),
    )
    if where.out is not None:
        write_report(report, where.out, Extras(features=features, run_folder=where.run_folder, map=said.map))
    return report


def _source(bundle: Bundle, values: Features, items: Items, said: EvaluateOptions, progress: Progress) -> Source:
    return Source(items, progress, lambda: bundle, known=values, trains=True, keep=said.cache)


def _duplicates(
    models: Subjects, items: Items, alike: Sequence[Ints], tasks: Sequence[Task], said: EvaluateOptions
) -> list[str]:
    """Refuse what is on two sides of a split, or tell it where that is allowed."""
    twice = honesty.across(alike, tasks)
    if not said.allow_duplicates:
        honesty.refuse(items, twice, models.modality.noun)
    return [one.told(items) for one in twice]


def _same_content(bundle: Bundle, items: Items, features_ND: Features) -> list[Ints]:
    content = partial(bundle.modality.content, bundle.recipe)
    return honesty.same_content(items, features_ND, content)


def _tasks(protocols: Sequence[Protocol], items: Items, said: EvaluateOptions) -> list[Task]:
    known: dict[tuple[int, int], Task] = {}
    tasks = [task_of(protocol, items, known) for protocol in protocols]
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


def _data_facts(noun: str, items: Items, scorer: Scorer, failed: list[str], duplicates: list[str]) -> DataFacts:
    task = scorer.tasks[0]
    return DataFacts(
        source=items.name,
        task=items.design.task,
        target=task.target,
        noun=noun,
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
        left_out=items.left_out,
        failed=failed,
        duplicates=duplicates,
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
