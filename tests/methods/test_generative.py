"""What rebuilding methods promise: what is hidden, what counts, from where it is rebuilt, and exact continuation."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from audiossl.encoders.build import build_seeded
from audiossl.errors import RecipeError
from audiossl.methods.base import At
from audiossl.methods.build import build_method, view_plan
from audiossl.methods.generative import draw_mask, normalise_patches
from audiossl.recipe.encoders import ResNet18Config
from audiossl.recipe.image_encoders import ImageResNet18Config
from audiossl.recipe.methods import DenoisingConfig, MaskedModellingConfig, SsGanConfig, VaeConfig

N, DIM = 8, 6
AT = At(step=0, steps=10, epoch=0.0)
SMALL = (8, 4)


class InTime(nn.Module):
    """An encoder of spectrograms with frames, as those of `encoders/`: one in four, averaged over frequency."""

    embedding_dim, frame_dim, frames_axis = DIM, 5, 3

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 5, 4, stride=4), nn.BatchNorm2d(5), nn.ReLU())
        self.dense = nn.Linear(5, DIM)
        self.seen = []

    def frames(self, x):
        self.seen.append(x)
        return self.features(x).mean(dim=2).transpose(1, 2)

    def pool(self, x):
        return self.dense(x.mean(dim=1))

    def forward(self, x):
        return self.pool(self.frames(x))


def build(config):
    torch.manual_seed(0)
    return build_method(config, InTime(), DIM, 100).train()


def clips(bands=8, frames=16, seed=1):
    return torch.randn(N, 1, bands, frames, generator=torch.Generator().manual_seed(seed))


def loss_of(method, x, at=AT):
    torch.manual_seed(at.step)
    return method.loss([x], torch.arange(len(x)), at)


CONFIGS = [
    DenoisingConfig(decoder=SMALL),
    DenoisingConfig(decoder=SMALL, sigma=0.5, masked=0, decode_from="frames"),
    MaskedModellingConfig(decoder=SMALL, patch=(4, 4), decode_from="embedding"),
    MaskedModellingConfig(decoder=SMALL, patch=(4, 4)),
    VaeConfig(decoder=SMALL, latent=4),
    SsGanConfig(generator=SMALL, noise=4),
    SsGanConfig(generator=SMALL, noise=4, generator_every=2),
]
every_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)


@every_config
def test_one_view_is_asked_for(config):
    assert view_plan(config).views == view_plan(config).crops == 1


@every_config
@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_autocast_is_finite_float32_and_reaches_every_weight(config, dtype):
    method = build(config)
    with torch.autocast("cpu", dtype):
        loss = loss_of(method, 3 * clips())["loss"]
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert all(weight.grad.isfinite().all() for weight in method.parameters())


@every_config
def test_every_size_is_rebuilt(config):
    for size in [(8, 8), (16, 23), (9, 33)]:
        assert loss_of(build(config), clips(*size))["loss"].isfinite()


@every_config
def test_a_run_goes_on_bit_for_bit_from_its_state(config):
    def train(method, optimiser, steps):
        for step in steps:
            optimiser.zero_grad()
            loss_of(method, clips(seed=step), At(step, 10, 0.0))["loss"].backward()
            optimiser.step()
        return method.state_dict()

    whole = build(config)
    adam = torch.optim.Adam(whole.parameters(), 1e-2)
    train(whole, adam, range(3))
    weights, moments = copy.deepcopy(whole.state_dict()), copy.deepcopy(adam.state_dict())
    expected = train(whole, adam, range(3, 6))

    resumed = build(config)
    resumed.load_state_dict(weights)
    adam = torch.optim.Adam(resumed.parameters(), 1e-2)
    adam.load_state_dict(moments)
    seen = train(resumed, adam, range(3, 6))
    assert all(torch.equal(seen[name], expected[name]) for name in expected)


@pytest.mark.parametrize("patch", [(1, 1), (4, 4), (3, 5), (16, 2)])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.7])
def test_the_share_of_hidden_patches_is_exact_in_every_clip(patch, share):
    mask = draw_mask(torch.zeros(50, 1, 16, 30), patch, share)
    assert mask.shape == (50, 1, 16, 30)
    patches = mask[:, 0, :: patch[0], :: patch[1]]
    assert (patches.sum(dim=(1, 2)) == round(share * patches[0].numel())).all()
    whole = patches.repeat_interleave(patch[0], 1).repeat_interleave(patch[1], 2)[:, :16, :30]
    assert torch.equal(whole, mask[:, 0])
    assert len(patches.flatten(1).unique(dim=0)) > 10


def test_hidden_patches_are_drawn_evenly_over_the_spectrogram():
    seen = draw_mask(torch.zeros(4000, 1, 4, 6), (2, 2), 0.5)[:, 0, ::2, ::2].float().mean(dim=0)
    assert (seen - 0.5).abs().max() < 0.04


@pytest.mark.parametrize(("patch", "share"), [((64, 64), 0.5), ((8, 8), 0.9), ((8, 8), 0.1)])
def test_patches_of_which_none_or_all_would_be_hidden_are_refused_in_words(patch, share):
    with pytest.raises(RecipeError, match="write a smaller patch"):
        draw_mask(torch.zeros(2, 1, 16, 16), patch, share)


def test_patches_are_normalised_one_by_one_with_those_cut_at_the_edge():
    x = 3 * clips(7, 10) + 5
    seen = normalise_patches(x, (4, 4))
    for rows in (slice(0, 4), slice(4, 7)):
        for columns in (slice(0, 4), slice(4, 8), slice(8, 10)):
            patch = x[:, :, rows, columns].flatten(1)
            expected = (patch - patch.mean(1, keepdim=True)) / (patch.var(1, correction=0, keepdim=True) + 1e-6).sqrt()
            assert torch.allclose(seen[:, :, rows, columns].flatten(1), expected, atol=1e-5)


def test_a_patch_of_silence_is_normalised_to_zero():
    assert not normalise_patches(torch.full((2, 1, 8, 8), -7.25), (4, 4)).any()


@pytest.mark.parametrize("source", ["embedding", "frames"])
def test_the_encoder_never_sees_what_is_hidden(source):
    method = build(MaskedModellingConfig(decoder=SMALL, patch=(4, 4), decode_from=source))
    with torch.no_grad():
        method.fill.fill_(0.75)
    x = clips()
    loss_of(method, x)
    seen = method.encoder.seen[-1]
    torch.manual_seed(0)
    hidden = draw_mask(x, (4, 4), 0.75)
    assert (seen[hidden] == 0.75).all()
    assert torch.equal(seen[~hidden], x[~hidden])


def test_only_hidden_places_of_the_target_count():
    method = build(MaskedModellingConfig(decoder=SMALL, patch=(4, 4), normalise_patches=False))
    method.rebuild = lambda x: torch.zeros_like(x)
    x = clips()
    torch.manual_seed(0)
    hidden = draw_mask(x, (4, 4), 0.75)
    expected = loss_of(method, x)["loss"]
    assert loss_of(method, torch.where(hidden, x, 1000.0))["loss"] == expected
    assert expected.item() == pytest.approx(x[hidden].square().mean().item(), rel=1e-5)
    assert loss_of(method, torch.where(hidden, 2 * x, x))["loss"].item() == pytest.approx(4 * expected.item())


@pytest.mark.parametrize(("fill", "learns"), [("learnt", True), ("zero", False)])
def test_the_value_in_hidden_patches_is_learnt_or_stays_zero(fill, learns):
    method = build(MaskedModellingConfig(decoder=SMALL, patch=(4, 4), fill=fill))
    loss_of(method, clips())["loss"].backward()
    assert (method.fill.grad is not None and method.fill.grad != 0) == learns
    assert method.fill == 0


def test_rebuilding_from_frames_knows_when_and_trains_the_pooling_too():
    method = build(MaskedModellingConfig(decoder=SMALL, patch=(4, 4), decode_from="frames")).eval()
    x = clips(8, 32)
    early = x.clone()
    early[..., :4] += 1
    method.encoder.pool = lambda frames: torch.zeros(N, DIM)
    changed = (method.rebuild(x) != method.rebuild(early)).any(dim=(0, 1, 2)).nonzero()
    assert changed.max() < 12
    method = build(MaskedModellingConfig(decoder=SMALL, patch=(4, 4), decode_from="frames"))
    loss_of(method, x)["loss"].backward()
    assert method.encoder.dense.weight.grad.any()


def test_an_autoencoder_without_corruption_that_rebuilds_its_input_has_no_loss():
    method = build(DenoisingConfig(sigma=0, masked=0, decoder=SMALL))
    x = clips()
    assert torch.equal(method.corrupt(x), x)
    method.rebuild = lambda seen: seen
    assert loss_of(method, x)["loss"] == 0


def test_the_target_of_denoising_is_clean():
    method = build(DenoisingConfig(sigma=0.5, masked=0, decoder=SMALL))
    method.rebuild = lambda seen: seen
    x = clips(64, 64)
    assert loss_of(method, x)["loss"].item() == pytest.approx(0.25, rel=0.02)
    assert not torch.equal(method.corrupt(x), x)


def test_masking_noise_zeroes_the_same_number_of_values_in_every_clip():
    corrupted = build(DenoisingConfig(masked=0.25, decoder=SMALL)).corrupt(clips())
    assert ((corrupted == 0).sum(dim=(1, 2, 3)) == 32).all()
    assert torch.equal(corrupted[corrupted != 0], clips()[corrupted != 0])


def test_vae_loss_is_its_error_plus_beta_times_kl():
    parts = loss_of(build(VaeConfig(decoder=SMALL, latent=4, beta=3)), clips())
    assert parts["loss"].item() == pytest.approx((parts["error"] + 3 * parts["kl"]).item())


def test_a_vae_pressed_by_its_prior_collapses_and_says_so():
    method = build(VaeConfig(decoder=SMALL, latent=4, beta=1e5))
    optimiser = torch.optim.Adam(method.parameters(), 2e-2)
    x = clips() + torch.arange(N).view(N, 1, 1, 1)
    first = loss_of(method, x)
    for step in range(60):
        optimiser.zero_grad()
        loss_of(method, x, At(step, 60, 0.0))["loss"].backward()
        optimiser.step()
    last = loss_of(method, x)
    assert first["active_units"] > 0
    assert last["active_units"] == 0
    assert last["kl"] < 0.05 * first["kl"]


def test_a_vae_rebuilds_from_samples_of_the_variance_it_names():
    method = build(VaeConfig(decoder=SMALL, latent=4))
    samples = []
    method.decoder.register_forward_pre_hook(lambda _, args: samples.append(args[0]))
    with torch.no_grad():
        method.log_variance.weight.zero_()
        method.log_variance.bias.fill_(2 * torch.log(torch.tensor(3.0)))
    for step in range(300):
        loss_of(method, clips(), At(step, 300, 0.0))
    drawn = torch.stack(samples)
    assert drawn.std(dim=0).mean().item() == pytest.approx(3, rel=0.05)
    with torch.no_grad():
        expected = method.mean(method.encoder(clips()))
    assert (drawn.mean(dim=0) - expected).abs().mean() < 0.3


@pytest.mark.parametrize(
    "config",
    [
        DenoisingConfig(decoder=SMALL, decode_from="frames"),
        MaskedModellingConfig(decoder=SMALL, patch=(4, 4)),
        VaeConfig(decoder=SMALL, latent=4),
        SsGanConfig(generator=SMALL, noise=4, transforms="rotations"),
    ],
    ids=lambda config: config.name,
)
def test_pictures_are_rebuilt_in_all_their_channels(config):
    encoder = build_seeded(ImageResNet18Config(stem="3x3/2", width=8), 16, seed=0, channels=3)
    method = build_method(config, encoder, encoder.embedding_dim, 100).train()
    loss = loss_of(method, torch.randn(4, 3, 16, 16))["loss"]
    assert torch.isfinite(loss)
    decoder = method.generator if config.name == "ss_gan" else method.decoder
    assert decoder.convolutions[-1].out_channels == 3


@pytest.mark.parametrize(
    ("config", "channels", "along"), [(ImageResNet18Config(width=8), 3, 2), (ResNet18Config(), 1, 3)]
)
def test_frames_are_laid_where_the_encoder_has_them(config, channels, along):
    """From top to bottom of a picture, in time of a sound: what is new at the end changes the last frame most."""
    encoder = build_seeded(config, 32, seed=0, channels=channels).eval()
    x = torch.zeros(1, channels, 32, 32)
    other = x.clone()
    other.select(along, 31).fill_(9.0)
    changed = (encoder.frames(x) != encoder.frames(other)).any(dim=2).flatten()
    assert changed[-1]
    size = (encoder.frames(x) - encoder.frames(other)).norm(dim=2).flatten()
    assert size.argmax() == len(size) - 1
    method = build_method(MaskedModellingConfig(decoder=SMALL, patch=(4, 4)), encoder, encoder.embedding_dim, 10)
    assert method.decoder.along == along
