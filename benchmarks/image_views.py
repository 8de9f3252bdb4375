"""Our batched views of pictures against torchvision, picture by picture, and kornia in batches.

    python benchmarks/image_views.py [--rounds 9] [--only CIFAR]

All sides take the same pictures (B, 3, H, W) float32 within 0 .. 1 and give normalised views of the same chain, draw
every picture's own parameters, run on one thread and take turns; figures are medians of CPU time per view. The batched
form of torchvision draws one set of parameters for a whole batch, which makes no views, so it goes picture by picture,
as in a loader. kornia (optional) crops without antialias, and shuffles the jitter once per batch.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import argparse
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torchvision.transforms import v2

from audiossl.image.views.build import build_views
from audiossl.recipe import image_views as iv
from audiossl.views.base import Draw

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
Side = Callable[[int], object]
CHAINS = {
    "CIFAR: crop, flip, jitter, grey": (iv.SIMCLR_CIFAR10, 32, 256),
    "ImageNet: the same, stronger, and blur": (iv.SIMCLR_IMAGENET, 224, 24),
}


def ours(config: iv.ImageViewsConfig, x: torch.Tensor) -> Side:
    views = build_views(config, statistics=SimpleNamespace(mean=MEAN, std=STD))
    return lambda seed: views.after_frontend(x, Draw(torch.Generator().manual_seed(seed), views=2))


def jitter_of(config: iv.ImageViewsConfig) -> iv.ColourJitterConfig:
    return next(view for view in config.image if isinstance(view, iv.ColourJitterConfig))


def torchvision(config: iv.ImageViewsConfig, x: torch.Tensor) -> Side:
    jitter, side = jitter_of(config), x.shape[-1]
    steps = [
        v2.RandomResizedCrop(side, scale=(0.08, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)], p=jitter.p),
        v2.RandomGrayscale(0.2),
    ]
    if len(config.image) == 6:
        steps.append(v2.RandomApply([v2.GaussianBlur(2 * (side // 20) + 1, (0.1, 2.0))], p=0.5))
    chain = v2.Compose([*steps, v2.Normalize(MEAN, STD)])

    def run(seed: int) -> object:
        torch.manual_seed(seed)
        return torch.stack([chain(picture) for picture in x])

    return run


def kornia(config: iv.ImageViewsConfig, x: torch.Tensor) -> Side | None:
    try:
        import kornia.augmentation as ka
    except ImportError:
        return None
    jitter, side = jitter_of(config), x.shape[-1]
    steps = [
        ka.RandomResizedCrop((side, side), scale=(0.08, 1.0), cropping_mode="resample"),
        ka.RandomHorizontalFlip(),
        ka.ColorJitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue, p=jitter.p),
        ka.RandomGrayscale(p=0.2),
    ]
    if len(config.image) == 6:
        length = 2 * (side // 20) + 1
        steps.append(ka.RandomGaussianBlur((length, length), (0.1, 2.0), p=0.5))
    chain = torch.nn.Sequential(*steps, ka.Normalize(torch.tensor(MEAN), torch.tensor(STD)))

    def run(seed: int) -> object:
        torch.manual_seed(seed)
        with torch.no_grad():
            return chain(x)

    return run


def cpu_ms(run: Side, seed: int) -> float:
    start = time.process_time()
    run(seed)
    return 1000 * (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="chains whose name begins so")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title=f"Views of pictures, CPU ms per view, one thread, medians of {options.rounds} rounds")
    for column in ("chain", "batch", "side", "torchvision, per picture", "kornia, batched", "audiossl, batched"):
        table.add_column(column, justify="left" if column == "chain" else "right")
    for name, (config, side, batch) in CHAINS.items():
        if not name.startswith(options.only):
            continue
        x = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
        sides = [torchvision(config, x), kornia(config, x), ours(config, x)]
        times: list[list[float]] = [[] for _ in sides]
        for seed in range(options.rounds + 1):  # the first round is not counted
            for taken, run in zip(times, sides, strict=True):
                taken.append(cpu_ms(run, seed) / batch if run else float("nan"))
        medians = [np.median(taken[1:]) for taken in times]
        table.add_row(name, str(batch), str(side), *(f"{median:.3f}" for median in medians))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
