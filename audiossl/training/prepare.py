"""Everything between a recipe and the first step: find the data, resolve "auto", decode, plan, build."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from audiossl.bundle.bundle import Statistics
from audiossl.data.batches import Plan, centre_crops, middle_crops
from audiossl.data.decoded import DecodedStore, FileSource
from audiossl.data.items import Items
from audiossl.data.manifest import load_items
from audiossl.data.splits import group_numbers
from audiossl.devices import choose_device, cores, multiplies_bf16
from audiossl.errors import MediaError, RecipeError
from audiossl.methods.build import build_method, view_plan
from audiossl.modality import modality_of
from audiossl.progress import Progress
from audiossl.recipe.auto import Facts, Resolved, resolve, total_steps
from audiossl.recipe.demands import DataFacts, check_demands
from audiossl.recipe.schema import Recipe
from audiossl.rng import key, numpy_stream
from audiossl.training.callbacks import Monitor
from audiossl.training.clips import clip_reader, make_plan, open_clips
from audiossl.training.learner import Learner

PROBED_HEADERS = 200
"""Durations are taken from this many files, spread over the table."""


@dataclass(frozen=True)
class Prepared:
    """A run ready to start: data open, "auto" values resolved."""

    recipe: Recipe
    resolved: list[Resolved]
    items: Items
    frontend: nn.Module
    source: DecodedStore | FileSource
    plan: Plan
    steps: int
    texts: list[str] | None = None
    """What is said of each item, for a method that reads it."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what the run reads, and in which order."""
        return self.items.fingerprint if self.texts is None else self.items.paired_fingerprint


def resolve_recipe(recipe: Recipe, items: Items) -> tuple[Recipe, list[Resolved]]:
    """`recipe` with its "auto" values chosen for this data and this machine, and what was chosen and why.

    Raises:
        RecipeError: everything that the recipe asks of the data and does not get.
    """
    paired_texts(recipe, items)
    device = choose_device(recipe.training.accelerator)
    durations_s = _durations_s(items, modality_of(recipe).duration_s)
    plan = view_plan(recipe.method)
    alike = plan.views > 1 and not (plan.short or plan.waveforms or plan.text)
    check_demands(recipe, DataFacts(len(items), max(durations_s, default=math.inf), alike))
    seconds = sum(durations_s) / max(1, len(durations_s)) * len(items)
    return resolve(
        recipe,
        Facts(
            items=len(items),
            decoded_bytes=modality_of(recipe).decoded_bytes(recipe, len(items), seconds),
            cores=cores(),
            device=device.type,
            bf16=multiplies_bf16(device),
        ),
    )


def find_items(recipe: Recipe) -> Items:
    """The clips that `recipe` trains on (raises `DataError`)."""
    root = None if recipe.data.root is None else Path(recipe.data.root)
    items = load_items(recipe.data.manifest, root, modality=recipe.modality).where(
        splits=recipe.data.splits, folds=recipe.data.folds
    )
    if recipe.data.limit is None or recipe.data.limit >= len(items):
        return items
    drawn = numpy_stream(recipe.seed, "limit").permutation(len(items))[: recipe.data.limit]
    return items.take(sorted(drawn.tolist()))


def paired_texts(recipe: Recipe, items: Items) -> list[str] | None:
    """What is said of each item, where the method learns from that; None where it does not.

    Raises:
        RecipeError: the method needs a text for every clip, and some clip has none.
    """
    if not view_plan(recipe.method).text:
        return None
    texts: list[str | None] = items.column("text")
    told = [text for text in texts if text is not None]
    if len(told) == len(texts):
        return told
    missing = f"{len(texts) - len(told):,} of {len(texts):,} clips of {items.name} have none"
    first = items.column("path")[texts.index(None)]
    raise RecipeError(
        f"method {recipe.method.name} needs a text for every clip, and {missing} (the first: {first}); give the "
        f"table a column text, give the manifest a field text, or choose another method"
    )


def prepare(recipe: Recipe, progress: Progress) -> Prepared:
    """Find the data, resolve "auto", decode what is to be decoded, plan the batches.

    Raises:
        DataError: the data cannot be found or read.
        RecipeError: the data do not give what the recipe asks of them.
    """
    items = find_items(recipe)
    texts = paired_texts(recipe, items)
    recipe, resolved = resolve_recipe(recipe, items)
    texts = paired_texts(recipe, items)
    modality = modality_of(recipe)
    frontend = modality.build_frontend(recipe)
    source = open_clips(clip_reader(items, recipe, frontend), recipe, progress)
    plan = make_plan(recipe, source, frontend, views=view_plan(recipe.method).crops)
    return Prepared(recipe, resolved, items, frontend, source, plan, total_steps(recipe, len(plan.indices)), texts)


def make_learner(prepared: Prepared, statistics: Statistics, first_step: int = 0) -> Learner:
    """The learner with fresh weights, a pure function of the recipe's seed."""
    recipe, modality = prepared.recipe, modality_of(prepared.recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(recipe.seed, "weights"))
        encoder, second = modality.build_encoder(recipe), modality.build_partner(recipe)
        method = build_method(recipe.method, encoder, encoder.embedding_dim, len(prepared.items), second)
    views = modality.build_views(recipe, statistics)
    method.to(memory_format=torch.channels_last)
    return Learner(
        recipe,
        method,
        prepared.frontend,
        views,
        steps=prepared.steps,
        batches_per_epoch=prepared.plan.batches_per_epoch,
        first_step=first_step,
        normalise=lambda crops: statistics.normalise(prepared.frontend(crops, centre=False)),
        middle_crops=lambda: middle_crops(prepared.source, prepared.plan),
    )


def make_monitor(prepared: Prepared, say: Callable[[str], None]) -> Monitor:
    """The monitor over a drawn set of clips; their labels, if any, are seen by it alone."""
    recipe, plan = prepared.recipe, prepared.plan
    chosen = plan.indices
    if len(chosen) > recipe.monitors.items:
        draw = numpy_stream(recipe.seed, "monitor")
        chosen = draw.permutation(chosen)[: recipe.monitors.items]
    crops, kept = centre_crops(prepared.source, chosen, plan)
    labels, groups = probe_targets(prepared.items, kept)
    return Monitor(
        crops,
        labels,
        groups,
        warn=say,
    )


def probe_targets(items: Items, indices: list[int]) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Class numbers (None without labels) and group numbers of some items; folds are groups where there are any."""
    chosen = items.take(indices)
    names = [None] * len(chosen) if chosen.multilabel else chosen.label_list()
    classes = {name: number for number, name in enumerate(sorted({name for name in names if name is not None}))}
    labels = torch.tensor([-1 if name is None else classes[name] for name in names]) if len(classes) > 1 else None
    folds = chosen.column("fold")
    if None not in folds and len(set(folds)) > 1:
        return labels, torch.tensor(folds)
    return labels, torch.from_numpy(group_numbers(chosen))


def _durations_s(items: Items, duration_s: Callable[[Path], float]) -> list[float]:
    """Seconds of the readable clips of a sample."""
    rows = list(zip(items.paths(), items.column("start_s"), items.column("end_s"), strict=True))
    durations = []
    for path, start_s, end_s in rows[:: max(1, len(rows) // PROBED_HEADERS)]:
        try:
            whole_s = duration_s(path)
        except MediaError:
            continue
        durations.append(min(whole_s, end_s or whole_s) - (start_s or 0.0))
    return durations
