"""`evaluate_sets`: the same encoders on several data sets, one after the other, each with a report of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from audiossl import files
from audiossl.data.items import Items
from audiossl.data.splits import target_of
from audiossl.errors import AudiosslError, UsageError
from audiossl.evaluation.choice import Wanted, choose, fitting
from audiossl.evaluation.evaluate import Model, Subjects, Where, evaluate_items, items_of, spoken, subjects
from audiossl.evaluation.options import EvaluateOptions
from audiossl.evaluation.report.index import index_json, index_page
from audiossl.evaluation.sets import DataSet, FailedSet, SetReport, SuiteReport, data_sets
from audiossl.progress import Progress, Silent
from audiossl.version import __version__


class Suite(NamedTuple):
    """What was measured, and the errors of the sets that failed, in the order of `report.failed`."""

    report: SuiteReport
    errors: list[Exception]


def evaluate_sets(
    models: Model | Sequence[Model],
    on: Sequence[str | Path],
    *,
    data: Mapping[str, Path] | Path | None = None,
    out: str | Path | None = None,
    run_folder: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Suite:
    """Score encoders on several labelled data sets. A set that fails costs no other its scores.

    Args:
        models: one or several encoder bundles, or their paths.
        on: what `load_items` takes, each once.
        data: for each set the folder of its files, or one folder for all.
        out: write `NAME/report.json` and `NAME/report.html` here as each set is done, and `index.json`, `index.html`.
        run_folder: of the training, for its curves in the pages.
        progress: told about the extraction of every row.
        options: fields of `EvaluateOptions`. A protocol runs on those sets whose labels it scores.

    Raises:
        UsageError: no model or set, one twice, an option that cannot be, a protocol that no set goes with.
        DataError: a set that is not there.
        CheckpointError: a model that is not a bundle.
        AudiosslError: of the first set, where all of them failed.
    """
    said, progress = spoken(options), progress or Silent()
    sets, wanted, found = data_sets([str(source) for source in on], data), choose(said.protocols), subjects(models)
    work = [(one, items_of(one.source, one.data, said, found)) for one in sets]
    _check_protocols(wanted, [items for _, items in work], timed=found.timed)
    folder, training = (None if path is None else Path(path) for path in (out, run_folder))
    report = SuiteReport(
        audiossl=__version__, made=datetime.now(timezone.utc).isoformat(timespec="seconds"), sets=[], failed=[]
    )
    errors: list[Exception] = []
    for one, items in work:
        where = Where(None if folder is None else folder / one.name, training)
        report, error = _add(report, one, items, found, wanted, said, where, progress)
        errors += [] if error is None else [error]
        if folder is not None and report.sets:
            files.write_json(folder / "index.json", index_json(report))
            files.write_text(folder / "index.html", index_page(report))
    if not report.sets:
        raise errors[0]
    return Suite(report, errors)


def _add(
    report: SuiteReport,
    one: DataSet,
    items: Items,
    models: Subjects,
    wanted: Sequence[Wanted],
    said: EvaluateOptions,
    where: Where,
    progress: Progress,
) -> tuple[SuiteReport, Exception | None]:
    """The report with one more set, or with one more that failed, and why."""
    try:
        measured = evaluate_items(models, items, wanted, said, where, progress, lenient=True)
    except Exception as error:  # even a fault of ours must not cost the finished sets
        reason = str(error) if isinstance(error, AudiosslError) else f"{type(error).__name__}: {error}"
        failed = FailedSet(name=one.name, source=one.source, reason=reason)
        return report.model_copy(update={"failed": [*report.failed, failed]}), error
    done = SetReport(name=one.name, source=one.source, report=measured)
    return report.model_copy(update={"sets": [*report.sets, done]}), None


def _check_protocols(wanted: Sequence[Wanted], sets: Sequence[Items], *, timed: bool) -> None:
    """Every set needs a protocol, and every protocol asked for by name a set."""
    used = {
        protocol.id
        for items in sets
        for protocol in fitting(wanted, target_of(items), items.name, timed=timed, lenient=True)
    }
    idle = [one.protocol.id for one in wanted if one.by_name and one.protocol.id not in used]
    if idle:
        raise UsageError(f"{idle[0]} scores none of {', '.join(items.name for items in sets)}; leave it out")
