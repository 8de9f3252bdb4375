from __future__ import annotations

import pytest
import torch

from audiossl.audio.views.normalise import BatchNormalise
from audiossl.recipe.spectrogram_views import BatchNormaliseConfig
from audiossl.views.normalise import Normalise
from tests.draws import draws


def test_normalise_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    x = torch.randn(3, 1, 4, 5)
    torch.testing.assert_close(Normalise(-2.5, 0.5)(x, draws()), (x + 2.5) / 0.5)


def test_normalise_keeps_its_numbers_in_the_state() -> None:
    other = Normalise(0.0, 1.0)
    other.load_state_dict(Normalise(-2.5, 0.5).state_dict())
    assert (other.mean.item(), other.std.item()) == (-2.5, 0.5)


def test_batch_normalise_standardises_the_whole_batch_without_bias() -> None:
    x = torch.randn(6, 1, 4, 5) * 3 + 7
    found = BatchNormalise(BatchNormaliseConfig())(x, draws(views=2))
    torch.testing.assert_close(found, (x - x.mean()) / x.std(correction=1))


@pytest.mark.parametrize("shape", [(3, 1, 4, 5), (1, 1, 1, 1)])
def test_batch_without_variation_becomes_zero(shape: tuple[int, ...]) -> None:
    assert torch.equal(BatchNormalise(BatchNormaliseConfig())(torch.full(shape, 4.0), draws()), torch.zeros(shape))
