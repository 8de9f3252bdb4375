"""Tiles of a spectrogram or a picture, and orders of tiles that are far from each other.

Shapes: N clips, C channels, F bands, T frames, K tiles, H and W bands and frames of a tile, P orders.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from audiossl.errors import RecipeError

CANDIDATES = 40_320
"""Orders among which a set is chosen: all of up to eight tiles, as many drawn ones of more."""
LEAST = 2
"""Bands and frames of the smallest tile."""


def candidate_orders(tiles: int, seed: int) -> Tensor:
    """Different orders (M, tiles) in the sequence of a dictionary, all there are or CANDIDATES drawn ones."""
    if math.factorial(tiles) <= CANDIDATES:
        return torch.tensor(list(itertools.permutations(range(tiles))))
    generator = torch.Generator().manual_seed(seed)
    drawn: Tensor = torch.unique(torch.rand(CANDIDATES, tiles, generator=generator).argsort(dim=1), dim=0)
    return drawn


def distant_orders(tiles: int, count: int, seed: int) -> Tensor:
    """`count` orders (count, tiles), int64, chosen greedily for their Hamming distance (Noroozi and Favaro 2016).

    The first is drawn. Each next one has the largest least distance to those before, among equals the largest sum of
    distances, as in the paper, and among these the lowest place in the dictionary.
    """
    orders_MK = candidate_orders(tiles, seed)
    chosen = [int(torch.randint(len(orders_MK), (), generator=torch.Generator().manual_seed(seed)))]
    columns_KM = orders_MK.T.to(torch.int8).contiguous()
    least_M = torch.full((len(orders_MK),), tiles)
    sum_M = torch.zeros_like(least_M)
    while len(chosen) < count:
        distance_M = (columns_KM != columns_KM[:, chosen[-1:]]).sum(dim=0)
        least_M, sum_M = torch.minimum(least_M, distance_M), sum_M + distance_M
        chosen.append(int((least_M * (tiles * count + 1) + sum_M).argmax()))
    return orders_MK[chosen]


def cut(x_NCFT: Tensor, grid: tuple[int, int], gap: float) -> Tensor:
    """Tiles (N, K, C, H, W), row by row, each at a random place of its cell; from torch's global generator.

    Along an axis that is not cut, tiles are as long as the picture.

    Args:
        x_NCFT: the pictures.
        grid: rows over the bands, columns over the frames; K is their product.
        gap: share of a cell's side that stays free.

    Raises:
        RecipeError: the cells are too small.
    """
    rows, columns = grid
    tile_K = torch.arange(rows * columns, device=x_NCFT.device)
    clip_N = torch.arange(len(x_NCFT), device=x_NCFT.device)
    bands_NKH = _places(len(x_NCFT), x_NCFT.shape[2], rows, tile_K // columns, gap)
    frames_NKW = _places(len(x_NCFT), x_NCFT.shape[3], columns, tile_K % columns, gap)
    tiles_NKHWC = x_NCFT.permute(0, 2, 3, 1)[
        clip_N[:, None, None, None], bands_NKH[:, :, :, None], frames_NKW[:, :, None, :]
    ]
    return tiles_NKHWC.permute(0, 1, 4, 2, 3)


def _places(clips: int, size: int, parts: int, part_K: Tensor, gap: float) -> Tensor:
    """Where along an axis the tiles of parts `part_K` lie in each clip, (clips, K, tile)."""
    cell = size // parts
    tile = size if parts == 1 else math.floor(cell * (1 - gap))
    if tile < LEAST:
        raise RecipeError(
            f"method.grid: {size} bands, frames or pixels cut into {parts} leave tiles of {tile}; "
            "write a smaller grid, a smaller gap, or a longer data.crop_s (of pictures a larger frontend.side)"
        )
    start_NK = part_K * cell + torch.randint(cell - tile + 1, (clips, len(part_K)), device=part_K.device)
    return start_NK[:, :, None] + torch.arange(tile, device=part_K.device)


def standardised(tiles_NKCHW: Tensor) -> Tensor:
    """Each channel of each tile at mean 0 and deviation 1, so that no level tells neighbours; a constant tile at 0."""
    centred = tiles_NKCHW - tiles_NKCHW.mean(dim=(3, 4), keepdim=True)
    return centred / centred.std(dim=(3, 4), keepdim=True, correction=0).clamp(min=1e-3)


def shuffled(z_NKD: Tensor, orders_NK: Tensor) -> Tensor:
    """The tiles of every clip in its own order: place k holds tile `orders[n, k]`. Undone by `orders.argsort(1)`."""
    return z_NKD[torch.arange(len(z_NKD), device=z_NKD.device)[:, None], orders_NK]
