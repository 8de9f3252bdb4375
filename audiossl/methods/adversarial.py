"""The generative method of two players: a generator, and the encoder that tells its clips from real ones.

Shapes: N clips, D embedding size, F frequency bands, T frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from audiossl.errors import RecipeError
from audiossl.methods.base import At, OneView, Rate
from audiossl.methods.decoders import Decoder
from audiossl.methods.generative import input_channels
from audiossl.methods.losses.generative import hinge_discriminator, hinge_generator, transform_error
from audiossl.recipe.methods.generative import SsGanConfig

TRANSFORMS = 4


class SsGan(OneView[SsGanConfig]):
    """SS-GAN (Chen et al. 2019): a GAN with hinge losses whose discriminator also names the transform of a clip.

    The paper alternates two optimisers; here one optimiser takes the sum of both players' losses, whose gradients
    share no parameter, each player with a learning rate of its own.

    The encoder is the discriminator's trunk. Its BatchNorm statistics are those of real clips as they are.
    """

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the discriminator's two linear heads and the generator."""
        self.realness = nn.Linear(embedding_dim, 1)
        self.transform = nn.Linear(embedding_dim, TRANSFORMS)
        outputs = input_channels(self.encoder)
        self.generator = Decoder(self.config.noise, self.config.generator, outputs=outputs)

    def rates(self) -> list[Rate]:
        """The generator's learning rate is its own."""
        return [Rate(list(self.generator.parameters()), self.config.generator_rate)]

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The discriminator's loss, plus the generator's where it is its turn, on a view (N, C, F, T).

        Logged beside it: both parts, and `transforms`, the share of real clips whose transform was named.
        """
        real = views[0]
        noise = torch.randn(len(real), self.config.noise, device=real.device, dtype=real.dtype)
        fake = self.generator(noise, real.shape[2:])
        losses = self.discriminator_loss(real, fake.detach())
        total = losses["discriminator"]
        if at.step % self.config.generator_every == 0:
            losses["generator"] = self.generator_loss(fake)
            total = total + losses["generator"]
        return {"loss": total, **losses}

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Hinge loss of real and made clips, plus beta times the cross-entropy of transforms of real clips only."""
        score_real, score_fake = self.realness(self.encoder(real)), self.realness(self.judge(fake))
        turned, label = turn(real, self.config.transforms)
        logits = self.transform(self.judge(turned))
        loss = hinge_discriminator(score_real, score_fake) + self.config.beta * transform_error(logits, label)
        return {"discriminator": loss, "transforms": (logits.argmax(dim=1) == label).float().mean()}

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Minus the score of the made clips, plus alpha times the cross-entropy of transforms of them."""
        turned, label = turn(fake, self.config.transforms)
        with frozen(self.encoder, self.realness, self.transform):
            score, logits = self.realness(self.judge(fake)), self.transform(self.judge(turned))
        return hinge_generator(score) + self.config.alpha * transform_error(logits, label)

    def judge(self, x_NCFT: Tensor) -> Tensor:
        """Embeddings (N, D) of made or turned clips, which leave the encoder's buffers as they are."""
        copies = {name: buffer.clone() for name, buffer in self.encoder.named_buffers()}
        embedding: Tensor = functional_call(self.encoder, copies, (x_NCFT,))
        return embedding


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """What is computed meanwhile sends no gradient to the parameters of `modules`, but through them."""
    weights = [weight for module in modules for weight in module.parameters() if weight.requires_grad]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def turn(x_NCFT: Tensor, transforms: str) -> tuple[Tensor, Tensor]:
    """Every clip in one of four transforms, as many clips in each, and which one it was (N,).

    Args:
        x_NCFT: clips.
        transforms: "flips" or "rotations", as in `SsGanConfig`.

    Raises:
        RecipeError: rotations of what is not square.
    """
    n, _, bands, frames = x_NCFT.shape
    label = torch.randperm(n, device=x_NCFT.device) % TRANSFORMS
    if transforms == "flips":
        versions = [x_NCFT, x_NCFT.flip(3), x_NCFT.flip(2), x_NCFT.flip(2, 3)]
    elif bands == frames:
        versions = [x_NCFT.rot90(quarters, (2, 3)) for quarters in range(TRANSFORMS)]
    else:
        raise RecipeError(
            f"method: rotations need square spectrograms, and these have {bands} bands and {frames} frames; "
            "write transforms: flips"
        )
    return torch.stack(versions)[label, torch.arange(n, device=x_NCFT.device)], label
