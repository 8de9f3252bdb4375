"""The encoder of CPC for pictures: each patch alone, and of every row only what stands above it."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from audiossl.encoders.build import build_encoder, build_seeded
from audiossl.encoders.patches import Patches
from audiossl.errors import RecipeError
from audiossl.methods.base import At
from audiossl.methods.build import build_method
from audiossl.recipe.image_encoders import PatchesConfig
from audiossl.recipe.methods import CpcConfig

SMALL = PatchesConfig(channels=[6, 8, 12])
both_modes = pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])


def pictures(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def built(config: PatchesConfig = SMALL, training: bool = False) -> Patches:
    encoder = build_seeded(config, 32, seed=0, channels=3).train(training)
    assert isinstance(encoder, Patches)
    return encoder.to(memory_format=torch.channels_last)


def rows_that_differ(first: torch.Tensor, second: torch.Tensor) -> list[int]:
    """Rows of (N, R, D) in which any value does."""
    return (first != second).any(dim=(0, 2)).nonzero().flatten().tolist()


@both_modes
def test_no_row_knows_a_pixel_below_its_patches_and_every_row_knows_its_own_last_pixels(training):
    encoder, x = built(training=training), pictures(2, 3, 32, 32)
    base = encoder.context(encoder.latents(x))
    assert base.shape == (2 * 7, 7, 12)
    for row in range(7):
        end = 4 * row + 8
        below, last = x.clone(), x.clone()
        below[:, :, end:] = 100 * pictures(2, 3, 32 - end, 32)
        changed = rows_that_differ(encoder.context(encoder.latents(below)), base)
        assert not set(changed) & set(range(row + 1))
        assert rows_that_differ(encoder.frames(below), encoder.frames(x)) == changed
        last[:, :, end - 1] += 1
        # A pixel is in at most two rows of patches, and five further rows know what stands above them.
        assert rows_that_differ(encoder.context(encoder.latents(last)), base) == list(range(row, min(7, row + 7)))


@both_modes
def test_no_gradient_reaches_a_row_from_below(training):
    encoder, x = built(training=training), pictures(2, 3, 32, 32).requires_grad_()
    for row in range(7):
        (gradient,) = torch.autograd.grad(encoder.frames(x)[:, row].square().sum(), x)
        reached = gradient.abs().amax(dim=(0, 1, 3)).nonzero().flatten()
        assert reached.max() == 4 * row + 7
        assert reached.min() == max(0, 4 * (row - 5))


def test_a_latent_is_the_mean_of_convolutions_over_its_patch_alone():
    encoder, x = built().double(), pictures(2, 3, 32, 32).double()
    latents = encoder.latents(x)
    for picture, row, column in ((0, 0, 0), (0, 2, 5), (1, 6, 6), (1, 3, 0)):
        maps = x[picture, :, 4 * row : 4 * row + 8, 4 * column : 4 * column + 8][None]
        for number, stride in enumerate((1, 2, 2)):
            convolution, norm = encoder.patches.convolutions[3 * number : 3 * number + 2]
            maps = F.conv2d(maps, convolution.weight, stride=stride, padding=1)
            maps = F.layer_norm(maps, maps.shape[1:]) * norm.weight[:, None, None] + norm.bias[:, None, None]
            maps = maps.relu()
        assert torch.allclose(latents[7 * picture + column, row], maps.mean(dim=(0, 2, 3)), atol=1e-12)


def test_context_equals_the_masked_convolutions_written_out():
    encoder = built(PatchesConfig(channels=[5], rows_above=2)).double()
    z = pictures(3, 4, 4, 5).double()  # pictures, rows, columns, values
    wanted = z.clone()
    for block in encoder.above:
        inwards, outwards = block.inwards.weight[:, :, 0, 0], block.outwards.weight[:, :, 0, 0]
        inner = torch.relu(wanted @ inwards.T + block.inwards.bias)
        beside = torch.zeros_like(inner)
        for row in range(4):
            for column in range(4):
                beside[:, row, column] = block.beside.bias
                for step in (-1, 0, 1):
                    if 0 <= column + step < 4:
                        weight = block.beside.weight[:, :, 0, step + 1]
                        beside[:, row, column] += inner[:, row, column + step] @ weight.T
        own, above = block.upwards.weight[:, :, 1, 0], block.upwards.weight[:, :, 0, 0]
        up = beside @ own.T + block.upwards.bias
        up[:, 1:] += beside[:, :-1] @ above.T
        wanted = wanted + torch.relu(up) @ outwards.T + block.outwards.bias
    found = encoder.context(z.transpose(1, 2).flatten(0, 1))
    assert torch.allclose(found, wanted.transpose(1, 2).flatten(0, 1), atol=1e-12)


def test_the_embedding_is_the_mean_context_of_all_patches():
    encoder, x = built(), pictures(2, 3, 32, 32)
    context = encoder.context(encoder.latents(x)).unflatten(0, (2, 7))
    assert torch.allclose(encoder(x), context.mean(dim=(1, 2)), atol=1e-6)
    assert encoder.embedding_dim == encoder.latent_dim == 12


@pytest.mark.parametrize(("pixels", "rows"), [(8, 1), (11, 1), (12, 2), (32, 7), (33, 7), (5, 1)])
def test_the_config_says_how_many_rows_there_will_be(pixels, rows):
    assert SMALL.frames_of(pixels) == rows
    assert built().latents(pictures(2, 3, pixels, pixels)).shape == (2 * rows, rows, 12)


def test_what_makes_no_grid_is_refused():
    with pytest.raises(RecipeError, match=r"a patch of 64 pixels is larger than the pictures of 32; .*side: 8"):
        build_encoder(PatchesConfig(side=64, stride=32), 32, 3)
    with pytest.raises(ValueError, match="a stride of 9 skips pixels between patches of 8"):
        PatchesConfig(stride=9)


@pytest.mark.parametrize("negatives_from", ["sequence", "batch", "both"])
def test_cpc_tells_each_patch_from_those_of_its_column_and_those_of_its_row_in_all_pictures(negatives_from):
    encoder, x = built(), pictures(2, 3, 24, 24)
    method = build_method(CpcConfig(steps=2, negatives_from=negatives_from), encoder, encoder.embedding_dim, 2)
    found = method.loss([x], torch.arange(2), At(step=0, steps=1, epoch=0.0))["loss"]
    rows = 5
    z = encoder.patches(x)  # (2, 12, rows, columns)
    c = encoder.above(z)
    terms: list[list[torch.Tensor]] = [[], []]
    for ahead, matrix in enumerate(method.predictors, 1):
        for picture, row, column in itertools.product(range(2), range(rows - ahead), range(rows)):
            predicted = matrix @ c[picture, :, row, column]
            right = (picture, row + ahead, column)
            own_column = {(picture, other, column) for other in range(ahead, rows)}
            own_row = {(other, row + ahead, beside) for other in range(2) for beside in range(rows)}
            among = {"sequence": own_column, "batch": own_row, "both": own_column | own_row}[negatives_from]
            scores = torch.stack([z[b, :, r, k] @ predicted for b, r, k in [right, *sorted(among - {right})]])
            terms[ahead - 1].append(scores.logsumexp(0) - scores[0])
    wanted = torch.stack([torch.stack(step).mean() for step in terms]).mean()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_everything_of_the_encoder_learns_by_cpc():
    encoder, x = built(training=True), pictures(4, 3, 32, 32)
    method = build_method(CpcConfig(steps=3), encoder, encoder.embedding_dim, 4)
    method.loss([x], torch.arange(4), At(step=0, steps=1, epoch=0.0))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in method.parameters())
