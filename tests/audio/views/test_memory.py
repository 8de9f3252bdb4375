from __future__ import annotations

import torch

from audiossl.audio.views.memory import LogMixupExp
from audiossl.recipe.spectrogram_views import LogMixupExpConfig
from tests.draws import draws


def batch(seed: int, examples: int = 3) -> torch.Tensor:
    return torch.randn(examples, 1, 4, 5, generator=torch.Generator().manual_seed(seed))


def test_mixing_is_done_between_exp_and_log() -> None:
    x, past, alpha = batch(0), batch(1), torch.tensor([0.0, 0.1, 0.4])
    found = LogMixupExp(LogMixupExpConfig()).apply(x, alpha=alpha, past=past)
    share = alpha.double().view(3, 1, 1, 1)
    expected = torch.log((1 - share) * x.double().exp() + share * past.double().exp() + torch.finfo(torch.float32).eps)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)


def test_first_batch_passes_unmixed() -> None:
    x = batch(0)
    torch.testing.assert_close(LogMixupExp(LogMixupExpConfig())(x, draws()), x, rtol=0, atol=1e-5)


def test_past_inputs_come_from_the_memory_and_never_from_the_batch_itself() -> None:
    view = LogMixupExp(LogMixupExpConfig(memory=8))
    view(batch(0), draws())
    x = batch(1, examples=200)
    past = view.draw(x, draws())["past"]
    sources = (past[:, None] == batch(0)[None]).flatten(2).all(-1)
    assert (sources.sum(1) == 1).all()
    assert sources.any(0).all()


def test_memory_is_first_in_first_out_and_keeps_inputs_unmixed() -> None:
    view = LogMixupExp(LogMixupExpConfig(memory=7))
    for seed in range(4):
        view(batch(seed), draws(seed))
    stored = {tuple(example.flatten().tolist()) for example in view.memory}
    latest = torch.cat([batch(seed) for seed in range(4)])[-7:]
    assert stored == {tuple(example.flatten().tolist()) for example in latest}
    assert view.seen == 12


def test_batch_larger_than_the_memory_leaves_its_last_inputs() -> None:
    view = LogMixupExp(LogMixupExpConfig(memory=2))
    view(batch(0, examples=5), draws())
    assert torch.equal(view.memory, batch(0, examples=5)[-2:])


def test_resumed_from_its_state_it_goes_on_bit_for_bit() -> None:
    whole = LogMixupExp(LogMixupExpConfig(memory=7))
    for seed in range(3):
        whole(batch(seed), draws(seed))
    resumed = LogMixupExp(LogMixupExpConfig(memory=7))
    resumed.load_state_dict(whole.state_dict())
    for seed in range(3, 6):
        assert torch.equal(whole(batch(seed), draws(seed)), resumed(batch(seed), draws(seed)))


def test_fresh_state_loads_into_a_used_view() -> None:
    used = LogMixupExp(LogMixupExpConfig())
    used(batch(0), draws())
    used.load_state_dict(LogMixupExp(LogMixupExpConfig()).state_dict())
    torch.testing.assert_close(used(batch(1), draws()), batch(1), rtol=0, atol=1e-5)


def test_batch_of_another_size_starts_the_memory_anew() -> None:
    view = LogMixupExp(LogMixupExpConfig(memory=7))
    view(batch(0), draws())
    x = torch.randn(2, 1, 4, 9)
    torch.testing.assert_close(view(x, draws()), x, rtol=0, atol=1e-5)
    assert view.memory.shape == (7, 1, 4, 9) and view.seen == 2
