"""What "auto" becomes, and how long a run is."""

import json
from typing import get_args

import pytest

from audiossl.errors import RecipeError
from audiossl.recipe.auto import Facts, resolve, steps_per_epoch, total_steps
from audiossl.recipe.schema import Recipe
from audiossl.recipe.training import AdamWConfig, LarsConfig, OptimiserConfig, ScheduleConfig, SgdConfig, TrainingConfig

SMALL = Facts(items=2000, decoded_bytes=320_000_000, cores=4, device="cpu", bf16=False)
LARGE = Facts(items=10**6, decoded_bytes=8_000_000_001, cores=16, device="cuda", bf16=True)
OPTIMISERS = get_args(get_args(OptimiserConfig)[0])


@pytest.mark.parametrize("facts", [SMALL, LARGE])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("schedule", get_args(get_args(ScheduleConfig)[0]))
def test_nothing_stays_auto_but_the_windows_of_embedding(optimiser, schedule, facts):
    recipe, resolved = resolve(Recipe(optimiser=optimiser(), schedule=schedule(warmup="auto")), facts)
    told = recipe.model_dump(mode="json")
    assert [key for key, value in told.pop("embedding").items() if value == "auto"] == ["window_s", "hop_s"]
    assert '"auto"' not in json.dumps(told)
    assert all(choice.why for choice in resolved)
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_each_choice_is_told_once_and_resolving_again_changes_nothing():
    recipe, resolved = resolve(Recipe(), SMALL)
    assert {choice.field for choice in resolved} == {
        "data.cache", "data.workers", "optimiser.lr", "schedule.warmup", "training.accelerator", "training.precision",
        "training.threads",
    }  # fmt: skip
    assert resolve(recipe, LARGE) == (recipe, [])


def test_small_data_are_cached_and_large_data_decoded_by_every_core():
    small, large = resolve(Recipe(), SMALL)[0], resolve(Recipe(), LARGE)[0]
    assert (small.data.cache, small.data.workers) == ("on", 0)
    assert (large.data.cache, large.data.workers) == ("off", 16)
    assert (small.training.precision, small.training.accelerator, small.training.threads) == ("32", "cpu", 4)
    assert (large.training.precision, large.training.accelerator, large.training.threads) == ("bf16", "cuda", 16)


@pytest.mark.parametrize(
    ("optimiser", "batch_size", "accumulate", "lr"),
    [
        (SgdConfig(), 128, 1, 0.03), (SgdConfig(), 256, 2, 0.12), (AdamWConfig(), 128, 1, 1e-3),
        (AdamWConfig(), 128, 4, 2e-3), (LarsConfig(), 256, 1, 0.3), (LarsConfig(), 64, 1, 0.075),
        (LarsConfig(lr=7.0), 64, 1, 7.0),
    ],
)  # fmt: skip
def test_the_learning_rate_grows_with_the_batch_of_a_step(optimiser, batch_size, accumulate, lr):
    training = TrainingConfig(batch_size=batch_size, accumulate=accumulate)
    assert resolve(Recipe(optimiser=optimiser, training=training), SMALL)[0].optimiser.lr == pytest.approx(lr)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_the_formula_is_the_one_in_the_fields_description(optimiser):
    recipe, resolved = resolve(Recipe(optimiser=optimiser()), SMALL)
    why = next(choice.why for choice in resolved if choice.field == "optimiser.lr")
    assert why.partition(",")[0] in optimiser.model_fields["lr"].description
    assert recipe.optimiser.lr == pytest.approx(eval(why.partition(",")[0], {"batch": 128, "sqrt": lambda x: x**0.5}))


@pytest.mark.parametrize(
    ("steps", "share"), [(10**6, 0.05), (1000, 0.05), (200, 0.05), (100, 0.1), (50, 0.2), (10, 0.2), (1, 0.2)]
)
def test_warm_up_is_a_twentieth_of_the_run_but_neither_a_jolt_nor_most_of_it(steps, share):
    recipe = resolve(Recipe(training=TrainingConfig(steps=steps)), SMALL)[0]
    assert recipe.schedule.warmup == pytest.approx(share)
    kept = Recipe(training=TrainingConfig(steps=steps), schedule={"name": "cosine", "warmup": 0.3})
    assert resolve(kept, SMALL)[0].schedule.warmup == 0.3


@pytest.mark.parametrize(
    ("training", "steps"),
    [
        (TrainingConfig(batch_size=128, epochs=3), 45),
        (TrainingConfig(batch_size=128, epochs=0.5), 8),
        (TrainingConfig(batch_size=128, epochs=0.001), 1),
        (TrainingConfig(batch_size=128, epochs=4, accumulate=2), 30),
        (TrainingConfig(batch_size=128, epochs=None, steps=7), 7),
        (TrainingConfig(batch_size=128, steps=7), 7),
        (TrainingConfig(batch_size=128, epochs=3, steps=7), 7),
    ],
)
def test_epochs_become_steps_of_whole_batches(training, steps):
    recipe = Recipe(training=training)
    assert steps_per_epoch(recipe, 2000) == 15
    assert total_steps(recipe, 2000) == steps


def test_fewer_clips_than_a_batch_are_refused_with_what_to_write():
    with pytest.raises(RecipeError) as caught:
        total_steps(Recipe(training=TrainingConfig(epochs=None, steps=7)), 100)
    assert str(caught.value) == "training.batch_size 128 is larger than the data (100 clips); write 64 or less"
    with pytest.raises(RecipeError, match=r"the data has 1 clip; training needs at least 2"):
        steps_per_epoch(Recipe(), 1)
    assert steps_per_epoch(Recipe(), 128) == 1
