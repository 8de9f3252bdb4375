"""Every method at one small equal budget on ESC-50: what its embedding is worth, and what a step costs.

    python benchmarks/methods.py --data ESC-50/ [--epochs 5] [--only simclr vicreg] [--out runs/methods]

Trains each recipe recipes/audio/esc50_NAME.yaml for the same number of epochs, each in a process of its own, and
scores it under lr_nested@1 and knn@1 beside the same encoder untrained and log-mel statistics. A method's result is
OUT/NAME.json; one that is there is not measured again. Ends with the table.

Seconds per step are the median of the wall time between updates, core seconds that of the process's CPU time, which
other work on the machine hardly changes; peak memory is the resident set of the training
process, the memory-mapped cache of decoded sound included.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from audiossl.errors import AudiosslError
from audiossl.files import write_json
from audiossl.recipe.load import list_recipes, load_recipe
from audiossl_cli.console import hush

PREFIX = "audio/esc50_"
LINEAR, KNN = "lr_nested@1", "knn@1"
BYTES_PER_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
Result = dict[str, Any]


class StepClock:
    """A `Progress` that notes when each step of training ends."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []
        """Wall time and this process's CPU time."""
        self.training = False

    def start(self, title: str, total: int | None, unit: str, *, done: int = 0) -> None:
        self.training = unit == "steps"

    def advance(self, n: int = 1, **facts: float | str) -> None:
        if self.training:
            self.ends.append((time.perf_counter(), time.process_time()))

    def close(self) -> None:
        self.training = False

    def median_s(self, clock: int) -> float | None:
        """Of the steps after the first, by the wall (0) or in core seconds (1); None when there is only one."""
        gaps = [after[clock] - before[clock] for before, after in zip(self.ends, self.ends[1:], strict=False)]
        return statistics.median(gaps) if gaps else None


def measure(name: str, budget: list[str], options: argparse.Namespace) -> Result:
    """Train and score one method in this process."""
    from audiossl.evaluation.evaluate import evaluate
    from audiossl.training.pretrain import pretrain

    hush()
    recipe = load_recipe(PREFIX + name, [f"data.root={json.dumps(str(options.data))}", *budget])
    clock, began = StepClock(), time.perf_counter()
    done = pretrain(recipe, options.out / "runs" / name, fresh=True, progress=clock)
    wall_s = time.perf_counter() - began
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_RSS_UNIT
    assert done.bundle is not None
    report = evaluate(done.bundle, "esc50", data=options.data, threads=options.threads)
    rows = [
        {
            "kind": row.kind,
            "name": row.name,
            "seed": row.seed,
            "scores": {protocol: score.value for protocol, score in row.scores.items()},
            "intervals": {protocol: score.interval for protocol, score in row.scores.items()},
            "rankme": row.health.rankme,
            "std": row.health.deviation,
        }
        for row in report.rows
    ]
    return {
        "recipe": PREFIX + name,
        "method": recipe.method.name,
        "family": recipe.method.family,
        "budget": budget,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "steps": done.steps,
        "batch_size": recipe.training.batch_size,
        "step_s": clock.median_s(0),
        "step_core_s": clock.median_s(1),
        "wall_s": wall_s,
        "peak_bytes": peak_bytes,
        "rows": rows,
    }


def read(path: Path, budget: list[str]) -> Result | None:
    """The result at `path`, if it is there and of this budget."""
    if not path.is_file():
        return None
    result: Result = json.loads(path.read_text())
    return result if result["budget"] == budget else None


def run_all(names: list[str], budget: list[str], arguments: list[str], options: argparse.Namespace) -> list[str]:
    """Measure what is not there yet, each in a process of its own; gives the names that failed."""
    failed = []
    for name in names:
        if read(options.out / f"{name}.json", budget):
            continue
        print(f"{name}: started {time.strftime('%H:%M:%S')}", flush=True)
        code = subprocess.run([sys.executable, __file__, *arguments, "--one", name], check=False).returncode
        if code:
            print(f"{name}: failed with exit code {code}", flush=True)
            failed.append(name)
    return failed


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def table(results: list[Result]) -> Table:
    """One line a method, sorted by family; then every untrained encoder and the log-mel statistics once."""
    shown = Table(title="ESC-50, five folds, accuracy in %", title_justify="left")
    for heading in (
        "family",
        "recipe",
        "steps",
        "linear",
        "kNN",
        "RankMe",
        "std",
        "s / step",
        "core s / step",
        "peak GB",
    ):
        shown.add_column(heading, justify="left" if heading in ("family", "recipe") else "right")
    baselines: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: (result["family"], result["recipe"])):
        trained, *others = result["rows"]
        times = ["" if result[key] is None else f"{result[key]:.2f}" for key in ("step_s", "step_core_s")]
        cost = [*times, f"{result['peak_bytes'] / 1e9:.2f}"]
        name = result["recipe"].removeprefix("audio/")
        shown.add_row(result["family"], name, str(result["steps"]), *figures([trained]), *cost)
        for kind in dict.fromkeys(row["name"] for row in others):
            same = [row for row in others if row["name"] == kind]
            baselines.setdefault(f"{kind} {figures(same)}", same)
    shown.add_section()
    for same in baselines.values():
        seeds = f", {len(same)} seeds" if len(same) > 1 else ""
        shown.add_row("", same[0]["name"] + seeds, "", *figures(same), "", "", "")
    return shown


def figures(rows: list[Result]) -> list[str]:
    """Linear, kNN, RankMe and deviation: means over the seeds."""

    def mean(values: list[float]) -> float:
        return statistics.fmean(values)

    accuracies = [percent(mean([row["scores"][protocol] for row in rows])) for protocol in (LINEAR, KNN)]
    return [*accuracies, f"{mean([row['rankme'] for row in rows]):.0f}", f"{mean([row['std'] for row in rows]):.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of ESC-50")
    parser.add_argument("--epochs", type=float, default=5, help="of every method (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these, without the esc50_ of their recipes")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"), help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the tensor library (default: %(default)s)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a field of every recipe"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    budget = [
        f"training.epochs={options.epochs:g}",
        "training.steps=null",
        f"training.threads={options.threads}",
        f"monitors.every_epochs={options.epochs:g}",
        *options.set,
    ]
    if options.one:
        try:
            write_json(options.out / f"{options.one}.json", measure(options.one, budget, options))
        except AudiosslError as error:
            raise SystemExit(f"{options.one}: {error}") from error
        return
    known = [one.name.removeprefix(PREFIX) for one in list_recipes() if one.name.startswith(PREFIX)]
    names = options.only or known
    if unknown := sorted(set(names) - set(known)):
        raise SystemExit(f"no recipe for {', '.join(unknown)}; there are {', '.join(known)}")
    failed = run_all(names, budget, sys.argv[1:], options)
    results = [read(options.out / f"{name}.json", budget) for name in names]
    Console(width=140).print(table([result for result in results if result]))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
