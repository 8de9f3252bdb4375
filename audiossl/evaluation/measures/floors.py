"""What needs no embedding: guessing, and saying the same of everything. A score is worth what it is above these.

Letters: N items, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audiossl.evaluation.outcome import Outcome, judge
from audiossl.evaluation.task import Round, Task

Floors = dict[str, dict[str, float]]


def floors(task: Task) -> Floors:
    """Floors by name: metric to value, mean over folds.

    Of one label per item: `chance` names any class with equal probability, `most frequent class` always that of the
    training items. Of several: `chance` scores all classes of all items alike, so that its mAP is the prevalence;
    `class frequencies` scores each class by its share of the training items. Of events: `silence` finds none.
    """
    if task.target == "single":
        return _of_one_label(task)
    size = len(task.classes)
    if task.target == "events":
        return {"silence": _measured(task, lambda one: Outcome(np.empty((0, size)), events=[()] * len(one.test)))}
    return {
        "class frequencies": _measured(
            task, lambda one: Outcome(np.tile(task.truth[one.train].mean(axis=0), (len(one.test), 1)))
        ),
        "chance": _measured(task, lambda one: Outcome(np.zeros((len(one.test), size)))),
    }


def _of_one_label(task: Task) -> Floors:
    hits = [(task.labels[one.test] == np.bincount(task.labels[one.train]).argmax()).mean() for one in task.rounds]
    classes = [len(np.unique(task.labels[one.test])) for one in task.rounds]
    any_class = 1.0 / len(task.classes)
    return {
        "most frequent class": {
            "accuracy": float(np.mean(hits)),
            "macro_accuracy": float(np.mean(np.divide(1, classes))),
        },
        "chance": {"accuracy": any_class, "macro_accuracy": any_class},
    }


def _measured(task: Task, guess: Callable[[Round], Outcome]) -> dict[str, float]:
    known = [judge(task, one, guess(one)) for one in task.rounds]
    return {name: float(np.mean([metrics[name](None) for metrics in known])) for name in known[0]}
