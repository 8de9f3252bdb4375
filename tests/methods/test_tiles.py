"""The jigsaw: far orders, tiles that say nothing of their neighbours, and a puzzle that can be undone."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from audiossl.encoders.build import build_encoder
from audiossl.errors import RecipeError
from audiossl.methods.base import At
from audiossl.methods.build import build_method, view_plan
from audiossl.methods.tiles import candidate_orders, cut, distant_orders, shuffled, standardised
from audiossl.recipe.encoders import (
    AudioNtt2020Config,
    AudioNtt2022Config,
    CrnnConfig,
    ResNet18Config,
    VggLikeConfig,
)
from audiossl.recipe.methods import JigsawConfig

AT = At(step=0, steps=10, epoch=0.0)
SMALL = JigsawConfig(grid=(2, 2), permutations=24, tile_head="16 relu", hidden="16 relu")


def hamming(orders):
    distance = (orders[:, None] != orders[None]).sum(dim=2)
    return distance[~torch.eye(len(orders), dtype=torch.bool)]


@pytest.mark.parametrize(("tiles", "count", "least"), [(9, 100, 6), (4, 24, 2), (5, 5, 5), (12, 50, 10)])
def test_orders_are_permutations_all_different_and_far_apart(tiles, count, least):
    orders = distant_orders(tiles, count, seed=0)
    assert orders.sort(dim=1).values.equal(torch.arange(tiles).expand(count, tiles))
    assert len(orders.unique(dim=0)) == count
    assert hamming(orders).min() >= least


def test_orders_of_nine_tiles_are_farther_apart_than_drawn_ones():
    far, drawn = hamming(distant_orders(9, 100, 0)), hamming(candidate_orders(9, 0)[::380])
    assert far.min() > drawn.min()
    assert far.double().mean() >= 8.0  # about 8 is what orders differ in by chance, and what the paper's set has


def test_the_seed_alone_makes_the_set():
    first = distant_orders(6, 20, seed=3)
    torch.rand(5)
    assert torch.equal(distant_orders(6, 20, seed=3), first)
    assert not torch.equal(distant_orders(6, 20, seed=4), first)


@pytest.mark.parametrize("seed", [0, 1])
def test_each_choice_is_the_one_of_a_slow_loop(seed):
    orders = distant_orders(4, 12, seed).tolist()
    chosen = orders[:1]
    while len(chosen) < 12:
        rated = []
        for order in itertools.permutations(range(4)):
            if list(order) not in chosen:
                distances = [sum(a != b for a, b in zip(order, other, strict=True)) for other in chosen]
                rated.append((min(distances), sum(distances), [-place for place in order]))
        chosen.append([-place for place in max(rated)[2]])
    assert orders == chosen


def test_without_a_gap_tiles_are_the_picture_row_by_row():
    x = torch.arange(2 * 6 * 9.0).view(2, 1, 6, 9)
    tiles = cut(x, (2, 3), gap=0)
    assert tiles.shape == (2, 6, 1, 3, 3)
    for k, (row, column) in enumerate(itertools.product(range(2), range(3))):
        assert torch.equal(tiles[:, k], x[:, :, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3])


def test_a_gap_moves_tiles_within_their_cells_at_random():
    x = torch.arange(64.0).repeat(500, 1, 64, 1)
    tiles = cut(x, (2, 4), gap=0.25)
    assert tiles.shape == (500, 8, 1, 24, 12)
    starts = tiles[:, :, 0, 0, 0] - 16 * (torch.arange(8) % 4)
    assert starts.unique().tolist() == [0, 1, 2, 3, 4]
    assert not torch.equal(starts[:, 0], starts[:, 1])


def test_an_axis_that_is_not_cut_stays_whole():
    assert cut(torch.zeros(2, 1, 64, 96), (1, 4), gap=0.25).shape == (2, 4, 1, 64, 18)


def test_channels_stay_with_their_tiles():
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(cut(x, (2, 2), gap=0)[:, 3], x[:, :, 4:, 4:])


def test_a_tile_keeps_nothing_of_its_level():
    tiles = torch.randn(3, 4, 1, 8, 8) * torch.rand(3, 4, 1, 1, 1) * 5 + torch.randn(3, 4, 1, 1, 1) * 9
    seen = standardised(tiles)
    assert seen.mean(dim=(3, 4)).abs().max() < 1e-5
    assert torch.allclose(seen.std(dim=(3, 4), correction=0), torch.ones(3, 4, 1), atol=1e-4)
    assert torch.equal(standardised(torch.full((1, 1, 1, 4, 4), 7.0)), torch.zeros(1, 1, 1, 4, 4))


def test_shuffling_is_undone_by_the_inverse_order():
    z = torch.randn(5, 9, 3)
    orders = torch.rand(5, 9).argsort(dim=1)
    mixed = shuffled(z, orders)
    assert torch.equal(mixed[2, 4], z[2, orders[2, 4]])
    assert torch.equal(shuffled(mixed, orders.argsort(dim=1)), z)


def build(config=SMALL, encoder=None, dim=16):
    torch.manual_seed(0)
    return build_method(config, encoder or nn.Flatten(), dim, 100).train()


def test_one_view_is_asked_for_and_the_orders_are_in_the_checkpoint():
    assert (view_plan(SMALL).views, view_plan(SMALL).crops) == (1, 1)
    assert torch.equal(build().state_dict()["orders"], distant_orders(4, 24, 0))


def test_untrained_loss_and_accuracy_are_those_of_chance():
    method = build(JigsawConfig(grid=(2, 2), permutations=24, gap=0, tile_head="16 relu", hidden="16 relu"))
    nn.init.zeros_(method.classifier[-1].weight)
    nn.init.zeros_(method.classifier[-1].bias)
    assert method.loss([torch.randn(9, 1, 8, 8)], torch.arange(9), AT)["loss"].item() == pytest.approx(math.log(24))
    fresh = build(JigsawConfig(grid=(2, 2), permutations=24, gap=0, tile_head="16 relu", hidden="16 relu"))
    accuracy = fresh.loss([torch.randn(4000, 1, 8, 8)], torch.arange(4000), AT)["accuracy"].item()
    assert accuracy == pytest.approx(1 / 24, abs=0.02)


def test_tiles_with_their_number_written_on_them_are_put_in_order():
    method = build(JigsawConfig(grid=(2, 2), permutations=24, gap=0, tile_head="32 relu", hidden="32 relu"))
    optimiser = torch.optim.Adam(method.parameters(), lr=0.02)
    x = torch.zeros(64, 1, 8, 8)
    for row, column in itertools.product(range(2), range(2)):
        x[:, :, 4 * row + row, 4 * column + column] = 1.0  # another place within each tile
    for _ in range(120):
        seen = method.loss([x], torch.arange(64), AT)
        optimiser.zero_grad()
        seen["loss"].backward()
        optimiser.step()
    assert seen["accuracy"].item() == 1.0


def test_half_precision_is_finite_and_near():
    x = torch.randn(16, 1, 8, 8)
    config = JigsawConfig(grid=(2, 2), permutations=24, gap=0, tile_head="16 relu", hidden="16 relu")
    exact = build(config).loss([x], torch.arange(16), AT)["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = build(config).loss([x], torch.arange(16), AT)["loss"]
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.05)


ENCODERS = [AudioNtt2020Config(), AudioNtt2022Config(), CrnnConfig(), ResNet18Config(), VggLikeConfig()]


@pytest.mark.parametrize("config", ENCODERS, ids=lambda config: config.name)
def test_encoders_tell_the_truth_about_their_bands(config):
    encoder = build_encoder(config, 80).eval()
    try:
        encoder(torch.zeros(1, 1, 27, 32))
        takes = True
    except RuntimeError:
        takes = False
    assert encoder.any_bands is takes


def test_tiles_of_bands_are_refused_for_an_encoder_of_fixed_bands_before_training():
    encoder = build_encoder(AudioNtt2020Config(dim=32), 64)
    with pytest.raises(RecipeError, match=r"grid.*write grid: \[1, 6\]"):
        build(JigsawConfig(grid=(2, 3), permutations=50), encoder, 32)
    method = build(JigsawConfig(grid=(1, 4), permutations=24, tile_head="8", hidden="8"), encoder, 32)
    method.loss([torch.randn(4, 1, 64, 96)], torch.arange(4), AT)["loss"].backward()


def test_tiles_too_small_to_hold_anything_are_refused_in_words():
    with pytest.raises(
        RecipeError, match=r"8 bands, frames or pixels cut into 5 leave tiles of 0; write a smaller grid"
    ):
        cut(torch.zeros(1, 1, 64, 8), (1, 5), gap=0.15)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"grid": (1, 1)}, "2 to 16"),
        ({"grid": (5, 5)}, "2 to 16"),
        ({"grid": (1, 3), "permutations": 7}, "only 6 orders; write permutations: 6"),
        ({"gap": 1.0}, "gap"),
    ],
)
def test_puzzles_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        JigsawConfig(**values)
