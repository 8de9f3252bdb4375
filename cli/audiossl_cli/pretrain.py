"""`audiossl pretrain`: from a recipe and sounds or pictures to an encoder."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl.errors import SomeInputsFailed
from audiossl_cli.console import emit, emit_json, hush, progress, say

if TYPE_CHECKING:
    from audiossl.recipe.schema import Recipe
    from audiossl.training.pretrain import PretrainResult


class Device(str, enum.Enum):
    """Where to train."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


def pretrain(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped one (audiossl recipe list).")],
    on: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Train on all of this: a folder of files, a CSV, a manifest or its name."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The folder that holds the files of the recipe's manifest.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field: training.epochs=20. May be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder (default: runs/RECIPE).")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete what the run folder holds and start over.")] = False,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of every random draw.")] = None,
    device: Annotated[Device | None, typer.Option(help="Where to train.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the recipe as it would run, every auto resolved, and leave.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Pretrain an encoder on sounds or pictures without labels.

    The same command again continues an interrupted run.

    Example: audiossl pretrain audio/esc50_simclr --on my_sounds/ --out runs/mine --set training.epochs=20
    """
    from audiossl.recipe.load import load_recipe

    told = load_recipe(recipe, overrides(override or [], on=on, data=data, seed=seed, device=device))
    if dry_run:
        show_plan(told, as_json)
        return
    from audiossl.modality import modality_of
    from audiossl.training.pretrain import pretrain as train

    hush()
    folder = out or Path("runs") / (Path(recipe).stem if told.name == "unnamed" else told.name)
    result = train(told, folder, fresh=fresh, progress=progress(), say=say)
    report(result, folder, modality_of(told).nouns, as_json)


def show_plan(recipe: Recipe, as_json: bool) -> None:
    """Print the recipe as it would run on this data and this machine, with the reason of every choice."""
    from audiossl.modality import modality_of
    from audiossl.recipe.auto import total_steps
    from audiossl.recipe.load import dump_recipe
    from audiossl.training.prepare import find_items, resolve_recipe

    items = find_items(recipe)
    resolved, choices = resolve_recipe(recipe, items)
    steps = total_steps(resolved, len(items))
    say(f"{len(items)} {modality_of(recipe).nouns}, {steps} steps")
    for choice in choices:
        say(f"{choice.field}: {choice.value} ({choice.why})")
    if as_json:
        emit_json({"items": len(items), "steps": steps, "recipe": resolved.model_dump(mode="json")})
    else:
        emit(dump_recipe(resolved).rstrip())


def report(result: PretrainResult, folder: Path, nouns: str, as_json: bool) -> None:
    """Print what the run on `nouns` came to.

    Raises:
        SomeInputsFailed: the encoder is there, but some files could not be read.
    """
    health = None if result.health is None else result.health.as_metrics()
    if as_json:
        emit_json(
            {
                "bundle": None if result.bundle is None else str(result.bundle),
                "steps": result.steps,
                "total_steps": result.total_steps,
                "wall_s": round(result.wall_s, 1),
                "failures": len(result.failures),
                "monitors": health,
            }
        )
    elif result.bundle:
        emit(f"{result.bundle}")
        say(f"Next: audiossl embed {result.bundle} my_{nouns}/ --out embeddings/")
    if result.stopped_by is not None:
        say(f"stopped at step {result.steps} of {result.total_steps}; the same command continues")
        raise typer.Exit(128 + result.stopped_by)
    if result.failures:
        failures = folder / "failures.csv"
        raise SomeInputsFailed(f"{failures}: lists {len(result.failures)} {nouns} that could not be read")


def overrides(
    given: list[str], *, on: str | None, data: Path | None, seed: int | None, device: Device | None
) -> list[str]:
    """Every option that is short for a field of the recipe, as `--set` would say it; `--set` itself comes last."""
    from audiossl.recipe.load import on_other_data

    short = {
        "data.root": None if data is None else str(data),
        "seed": seed,
        "training.accelerator": None if device is None else device.value,
    }
    # JSON is YAML in which no path is mistaken for something else.
    told = [f"{key}={json.dumps(value)}" for key, value in short.items() if value is not None]
    return [*([] if on is None else on_other_data(on)), *told, *given]
