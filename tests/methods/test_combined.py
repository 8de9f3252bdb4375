"""A combined method is its parts, weighted: their losses, gradients, states and schedules, on one encoder."""

from __future__ import annotations

import copy
import textwrap

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from audiossl.errors import RecipeError
from audiossl.methods.base import At, Method, ViewPlan
from audiossl.methods.build import METHODS, build_method, view_plan
from audiossl.methods.combined import choose_views
from audiossl.recipe.load import load_recipe
from audiossl.recipe.methods import (
    BarlowTwinsConfig,
    ByolConfig,
    ClipConfig,
    CombinedConfig,
    MultiFormatConfig,
    Part,
    RotationConfig,
    SimClrConfig,
    SimSiamConfig,
    SwavConfig,
)
from audiossl.recipe.schema import ImageRecipe, Recipe

AT = At(step=0, steps=10, epoch=0.0)
SIMCLR = SimClrConfig(head="16 bn relu 5")
ROTATION = RotationConfig(hidden="16 relu")
BYOL = ByolConfig(head="16 bn relu 5", predictor="16 bn relu 5", momentum=0.9)
BOTH = CombinedConfig(parts=[Part(weight=0.7, method=SIMCLR), Part(weight=2.5, method=ROTATION)])
N = 8


def encoder():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 6))


def build(config):
    torch.manual_seed(0)
    return build_method(config, encoder(), 6, 100).train()


def views(n=2):
    return list(torch.randn(n, N, 1, 4, 4, generator=torch.Generator().manual_seed(1)))


def test_the_loss_and_its_gradient_are_the_weighted_sums_of_the_parts():
    method = build(BOTH)
    seen = method.loss(views(), torch.arange(N), AT)
    seen["loss"].backward()
    simclr, rotation = method.methods
    alone = [simclr.loss(views(), torch.arange(N), AT)["loss"], rotation.loss(views()[:1], torch.arange(N), AT)["loss"]]
    assert torch.equal(seen["loss"], 0.7 * alone[0] + 2.5 * alone[1])
    weights = list(method.encoder.parameters())
    parts = [torch.autograd.grad(loss, weights) for loss in alone]
    for weight, first, second in zip(weights, *parts, strict=True):
        assert torch.allclose(weight.grad, 0.7 * first + 2.5 * second, atol=1e-6)


def test_every_parts_numbers_are_logged_under_its_name():
    method = build(CombinedConfig(parts=[Part(method=SIMCLR), Part(method=ROTATION), Part(method=SIMCLR)]))
    seen = method.loss(views(), torch.arange(N), AT)
    assert set(seen) == {"loss", "simclr", "rotation", "rotation/accuracy", "simclr_2"}
    assert seen["loss"].item() == pytest.approx(sum(seen[name].item() for name in ("simclr", "rotation", "simclr_2")))


@pytest.mark.parametrize("config", [SIMCLR, ROTATION, BYOL, BarlowTwinsConfig(head="8")], ids=lambda c: c.name)
def test_one_part_of_weight_one_is_that_part_bit_for_bit(config):
    alone, combined = build(config), build(CombinedConfig(parts=[Part(method=config)]))
    assert view_plan(combined.config) == view_plan(config)
    for method in (alone, combined):
        optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
        for step in range(3):
            at = At(step, 3, 0.0)
            optimiser.zero_grad()
            method.loss(views(method.plan.views), torch.arange(N), at)["loss"].backward()
            optimiser.step()
            method.after_step(at)
    ours = {name.removeprefix("parts.0."): value for name, value in combined.state_dict().items()}
    theirs = alone.state_dict()
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_encoder_stands_in_the_state_once_and_is_every_parts():
    method = build(BOTH)
    assert all(part.encoder is method.encoder for part in method.methods)
    assert [name for name in method.state_dict() if "encoder" in name] == [
        f"encoder.{name}" for name in method.encoder.state_dict()
    ]
    copied = copy.deepcopy(method)
    assert all(part.encoder is copied.encoder for part in copied.methods)
    assert copied.encoder is not method.encoder
    method.eval()
    assert not any(module.training for part in method.methods for module in (part, *part.encoder.modules()))


def test_a_restored_state_goes_on_as_before():
    config = CombinedConfig(parts=[Part(method=BYOL), Part(method=ROTATION)])
    method, other = build(config), build_method(config, encoder(), 6, 100).train()
    other.load_state_dict(method.state_dict())
    assert torch.equal(*(m.loss(views(), torch.arange(N), AT)["loss"] for m in (method, other)))


def test_the_trainers_gather_reaches_every_part():
    method = build(BOTH)
    assert [part for part in method.modules() if isinstance(part, Method)] == [method, *method.methods]


def test_the_monitor_looks_at_the_first_parts_head():
    method = build(BOTH)
    assert method.head is method.methods[0].head
    assert build(CombinedConfig(parts=[Part(method=ROTATION)])).head is None


def test_epochs_steps_and_rates_reach_every_part():
    parts = [BYOL, SimSiamConfig(head="16 bn relu 8", predictor="4 bn relu 8")]
    method, told = build(CombinedConfig(parts=[Part(method=part) for part in parts])), []
    before = [p.clone() for p in method.methods[0].teacher.parameters()]
    for part in method.methods:
        part.before_epoch = lambda at, embed: told.append((at, embed))
    method.before_epoch(AT, "embed")
    assert told == [(AT, "embed")] * 2
    with torch.no_grad():
        for weight in method.encoder.parameters():
            weight.add_(1.0)
    method.after_step(AT)
    assert any(not torch.equal(a, b) for a, b in zip(before, method.methods[0].teacher.parameters(), strict=True))
    (rate,) = method.rates()
    assert list(map(id, rate.parameters)) == list(map(id, method.methods[1].predictor.parameters()))


def test_views_are_the_most_any_part_wants_and_each_part_gets_its_own():
    whole = ViewPlan(views=2, short=3, waveforms=1, text=True)
    given = ["v0", "v1", "s0", "s1", "s2", "w0", "t"]
    assert choose_views(given, whole, ViewPlan(views=1)) == ["v0"]
    assert choose_views(given, whole, ViewPlan(views=2, short=1, waveforms=1)) == ["v0", "v1", "s0", "w0"]
    assert choose_views(given, whole, ViewPlan(views=1, text=True)) == ["v0", "t"]
    assert choose_views(given, whole, whole) == given
    assert view_plan(BOTH) == ViewPlan(views=2)
    assert view_plan(CombinedConfig(parts=[Part(method=ROTATION)])) == ViewPlan(views=1)


def test_short_views_of_two_lengths_are_refused(monkeypatch):
    monkeypatch.setattr(METHODS[SIMCLR.__class__], "view_plan", lambda config: ViewPlan(short=2, short_share=0.3))
    swav = SwavConfig(prototypes=4, queue=0)
    monkeypatch.setattr(METHODS[SwavConfig], "view_plan", lambda config: ViewPlan(short=2, short_share=0.4))
    with pytest.raises(RecipeError, match=r"shares 0\.3 and 0\.4 cannot go together"):
        view_plan(CombinedConfig(parts=[Part(method=SIMCLR), Part(method=swav)]))


def test_the_second_encoder_goes_to_the_part_that_wants_one():
    config = CombinedConfig(parts=[Part(method=SIMCLR), Part(method=MultiFormatConfig())])
    assert config.partner == MultiFormatConfig().partner
    assert BOTH.partner is None
    partner = nn.Linear(3, 3)
    partner.embedding_dim = 3
    method = build_method(config, encoder(), 6, 100, partner)
    assert method.methods[1].partner is partner
    assert not hasattr(method.methods[0], "partner")
    assert not [name for name in method.state_dict() if name.startswith("partner")]
    with pytest.raises(ValidationError, match="multi_format and clip each want a second encoder"):
        CombinedConfig(parts=[Part(method=MultiFormatConfig()), Part(method=ClipConfig())])


def refused(recipe, *overrides):
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides)
    return caught.value.problems


def test_a_fault_inside_a_part_is_told_with_its_line_and_a_suggestion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(
        textwrap.dedent(
            """\
            method:
              name: combined
              parts:
                - method: {name: simclr}
                - weight: 0
                  method:
                    name: rotation
                    hiden: 64
                - method: {name: jigsaww}
            """
        )
    )
    unknown = refused("r.yaml").pop()
    assert refused("r.yaml")[:2] == [
        "r.yaml:5: method.parts.1.weight: must be more than 0, not 0",
        "r.yaml:8: method.parts.1.method.hiden: unknown key; did you mean hidden?",
    ]
    assert unknown.startswith("r.yaml:9: method.parts.2.method.name: unknown name jigsaww; did you mean jigsaw?")


def test_a_flag_reaches_into_a_part_and_parts_do_not_nest():
    recipe = ImageRecipe(method=BOTH)
    changed = load_recipe(recipe, ["method.parts.0.weight=3", "method.parts.0.method.temperature=0.5"]).method
    assert (changed.parts[0].weight, changed.parts[0].method.temperature) == (3.0, 0.5)
    assert changed.parts[1] == BOTH.parts[1]
    (problem,) = refused(recipe, "method.parts.0.method={name: combined, parts: []}")
    assert "unknown name combined" in problem
    assert refused(Recipe(), "method={name: combined}") == [
        "--set method={name: combined}: method.parts: is missing; write it"
    ]
