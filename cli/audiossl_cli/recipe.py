"""`audiossl recipe`: look at recipes, check them, compare them."""

from __future__ import annotations

from typing import Annotated

import typer

from audiossl_cli.console import emit, emit_json, emit_table, say

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Show, check, list and compare recipes, and their JSON schema."
)

Source = Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped one (audiossl recipe list).")]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a field: training.epochs=20. May be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def show(
    recipe: Source,
    override: Override = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Replace every auto, for the recipe's data on this machine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print every value of a recipe: its own, those it extends, and the defaults.

    Example: audiossl recipe show audio/esc50_simclr --set optimiser.name=lars
    """
    from audiossl.recipe.load import dump_recipe, load_recipe

    told = load_recipe(recipe, override or [])
    if resolved:
        from audiossl.training.prepare import find_items, resolve_recipe

        told, choices = resolve_recipe(told, find_items(told))
        for choice in choices:
            say(f"{choice.field}: {choice.value} ({choice.why})")
    if as_json:
        emit_json(told.model_dump(mode="json"))
    else:
        emit(dump_recipe(told).rstrip())


@app.command()
def check(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="Recipe files, or names of shipped ones.")],
) -> None:
    """Check recipes; every fault of every one is named with its file and line.

    Example: audiossl recipe check my_recipe.yaml audio/esc50_simclr
    """
    from audiossl.errors import RecipeError, UsageError
    from audiossl.recipe.load import load_recipe

    problems: list[str] = []
    for source in recipes:
        try:
            load_recipe(source)
        except (RecipeError, UsageError) as error:
            problems += str(error).splitlines()
        else:
            emit(f"{source}: OK")
    if problems:
        raise RecipeError(problems)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the shipped recipes by the family of their method.

    Example: audiossl recipe list --json
    """
    from audiossl.recipe.load import list_recipes, load_recipe

    shipped = [(one, load_recipe(one.path).method) for one in list_recipes()]
    if as_json:
        emit_json(
            [
                {"name": one.name, "method": method.name, "description": one.description, "path": str(one.path)}
                for one, method in shipped
            ]
        )
        return
    for family in sorted({method.family for _, method in shipped}):
        members = [one for one, method in shipped if method.family == family]
        emit_table([family, ""], [[one.name, one.description] for one in members])


@app.command()
def schema() -> None:
    """Print the JSON schema of a recipe; editors complete and check with it.

    In the recipe's first line write: # yaml-language-server: $schema=recipe.schema.json

    Example: audiossl recipe schema > recipe.schema.json
    """
    from audiossl.recipe.load import recipe_schema

    emit_json(recipe_schema())


@app.command()
def diff(here: Source, there: Source, as_json: AsJson = False) -> None:
    """Print the values in which two recipes differ, one a line.

    Example: audiossl recipe diff audio/esc50_simclr audio/esc50_barlow
    """
    from audiossl.recipe.load import differences, load_recipe

    lines = differences(load_recipe(here), load_recipe(there))
    if as_json:
        emit_json(lines)
        return
    for line in lines:
        emit(line)
    if not lines:
        say("the two recipes say the same")
