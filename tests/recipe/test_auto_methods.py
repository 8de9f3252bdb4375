"""What "auto" becomes inside a method, from 500 clips on a laptop to a million."""

import json

import pytest

from audiossl.recipe.auto import Facts, resolve
from audiossl.recipe.auto_methods import OWN, RULES, Size, resolve_method
from audiossl.recipe.catalogue import fields, method_configs
from audiossl.recipe.schema import Recipe

SIZES = {
    "30 clips": Size(items=30, batch=8, steps=10),
    "500 clips": Size(items=500, batch=64, steps=700),
    "ESC-50": Size(items=2000, batch=128, steps=1125),
    "a million": Size(items=10**6, batch=1024, steps=100_000),
}
every_size = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
CONFIGS = {config.model_fields["name"].default: config for config in method_configs()}
AUTO = [(name, field.name) for name in CONFIGS for field in fields(name) if field.default == "auto"]


def chosen(name, field, size, **told):
    choices = {}
    method = resolve_method(
        CONFIGS[name](**told), size, lambda path, value, why: choices.__setitem__(path, (value, why))
    )
    value, why = choices[f"method.{field}"]
    assert getattr(method, field) == value
    assert why
    return value


@every_size
@pytest.mark.parametrize(("name", "field"), AUTO, ids=lambda part: str(part))
def test_every_choice_is_one_that_the_method_itself_takes(name, field, size):
    chosen(name, field, size)
    method = resolve_method(CONFIGS[name](), size, lambda *choice: None)
    assert "auto" not in json.dumps(method.model_dump(mode="json"))
    assert CONFIGS[name].model_validate(method.model_dump(mode="json")) == method


@every_size
@pytest.mark.parametrize(("name", "field"), [pair for pair in AUTO if pair[1] in ("prototypes", "clusters")])
def test_clusters_have_clips_to_hold(name, field, size):
    number = chosen(name, field, size)
    assert 2 <= number < size.items / 2
    assert number == {30: 14, 500: 25, 2000: 100, 10**6: 3000}[size.items]


@every_size
@pytest.mark.parametrize("name", [name for name, field in AUTO if field == "momentum" and name != "moco"])
def test_a_teacher_remembers_a_twentieth_of_the_run(name, size):
    momentum = chosen(name, "momentum", size)
    assert 0.9 <= momentum <= 0.996
    if 0.9 < momentum < 0.996:
        assert 1 / (1 - momentum) == pytest.approx(size.steps / 20, rel=0.01)


@every_size
def test_the_teacher_beside_a_queue_changes_little_within_its_age(size):
    age = chosen("moco", "queue", size) / size.batch
    momentum = chosen("moco", "momentum", size)
    assert 0.9 <= momentum <= 0.999
    assert momentum**age >= 0.9
    longer = chosen("moco", "momentum", size, queue=20 * size.batch)
    assert 1 / (1 - longer) == pytest.approx(max(320, min(1000, size.steps / 20)), rel=0.02)


@every_size
@pytest.mark.parametrize(("name", "field"), [pair for pair in AUTO if pair[1] == "queue"])
def test_a_queue_holds_whole_batches_and_no_clip_twice(name, field, size):
    queue = chosen(name, field, size)
    assert queue % size.batch == 0
    assert queue <= max(size.batch, min(65_536, size.items // 2))
    if name == "moco":
        assert queue / size.batch <= max(4, size.steps / 20)


@every_size
@pytest.mark.parametrize(("name", "field"), [pair for pair in AUTO if pair[1] == "freeze_steps"])
def test_what_is_frozen_at_first_thaws_within_a_tenth_of_the_run(name, field, size):
    assert 0 <= chosen(name, field, size) <= size.steps / 10


@pytest.mark.parametrize(
    ("prototypes", "items", "queue"),
    [(100, 2000, 0), (128, 2000, 0), (300, 2000, 384), (900, 2000, 896), (3000, 10**6, 4480)],
)
def test_swav_queues_only_what_the_batch_lacks(prototypes, items, queue):
    assert chosen("swav", "queue", Size(items=items, batch=128, steps=1000), prototypes=prototypes) == queue


def test_a_method_inside_a_combined_one_is_resolved_too():
    parts = [{"method": {"name": "simclr"}}, {"method": {"name": "moco"}}]
    facts = Facts(items=2000, decoded_bytes=10**8, cores=2, device="cpu", bf16=False)
    recipe, resolved = resolve(Recipe(method={"name": "combined", "parts": parts}), facts)
    assert recipe.method.parts[1].method.queue == 896
    assert {"method.parts.1.method.queue", "method.parts.1.method.momentum"} <= {choice.field for choice in resolved}
    assert resolve(recipe, facts) == (recipe, [])


def test_every_rule_is_of_use_and_every_exception_of_a_method_that_is_there():
    assert set(RULES) == {field for _, field in AUTO}
    assert set(OWN) <= set(AUTO)


def test_recipes_print_and_keep_the_choices():
    name, field = AUTO[0]
    facts = Facts(items=2000, decoded_bytes=10**8, cores=2, device="cpu", bf16=False)
    recipe, resolved = resolve(Recipe(method={"name": name}), facts)
    assert f"method.{field}" in {choice.field for choice in resolved}
    assert resolve(recipe, facts) == (recipe, [])
