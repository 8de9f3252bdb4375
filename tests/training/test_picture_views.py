"""What methods are given of pictures in a run: small views of the picture itself, texts, and the same bits again."""

from __future__ import annotations

import pytest
import torch

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.load import load_bundle
from audiossl.data.batches import CropBatches
from audiossl.progress import Silent
from audiossl.training.checkpoint import read_checkpoint
from audiossl.training.prepare import make_learner, prepare
from audiossl.training.pretrain import pretrain
from tests.training.test_pictures import COUNT, SIDE, pictures, tiny
from tests.training.test_prepare import CLIP
from tests.training.test_pretrain import killed_at

__all__ = ["pictures"]
SWAV = {
    "name": "swav",
    "head": "16 bn relu 8",
    "prototypes": 8,
    "queue": 16,
    "queue_start": 1,
    "short_crops": 3,
    "short_share": 0.5,
    "freeze_steps": 1,
}
MEASURED = Statistics(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25))


def test_small_views_follow_the_whole_ones_at_their_own_side(pictures):
    prepared = prepare(tiny(pictures, method=SWAV), Silent())
    learner = make_learner(prepared, MEASURED)
    views = learner.make_views(CropBatches(prepared.source, prepared.plan)[0])
    assert [view.shape for view in views] == [(8, 3, SIDE, SIDE)] * 2 + [(8, 3, SIDE // 2, SIDE // 2)] * 3
    assert all(view.is_contiguous(memory_format=torch.channels_last) for view in views)
    assert not torch.equal(views[0], views[1])


def test_a_run_with_small_views_killed_in_mid_epoch_ends_with_the_same_bits(pictures, tmp_path, monkeypatch):
    recipe = tiny(pictures, method=SWAV, training={"steps": 6, "checkpoint_every_steps": 2})
    pretrain(recipe, tmp_path / "whole")
    killed_at(5, recipe, tmp_path / "parts", monkeypatch)
    assert pretrain(recipe, tmp_path / "parts").steps == 6
    whole, parts = (read_checkpoint(tmp_path / name / "checkpoints/last.ckpt") for name in ("whole", "parts"))
    for part in ("method", "views", "optimiser"):
        torch.testing.assert_close(parts[part], whole[part], rtol=0, atol=0)


@pytest.mark.parametrize("norms", ["batch", "average"])
def test_a_teacher_of_pictures_trains_without_a_warning(pictures, tmp_path, norms):
    moco = {"name": "moco", "head": "16 relu 8", "queue": 12, "teacher_norm": norms}
    assert pretrain(tiny(pictures, method=moco), tmp_path / "run").steps == 4


def test_pictures_and_texts_share_a_space_that_the_bundle_keeps(pictures, tmp_path):
    table = pictures / "named.csv"
    names = ("round", "square", "striped")
    table.write_text("\n".join(["path,text", *(f"{n:02}.png,{names[n % 3]}" for n in range(COUNT))]))
    bundle = load_bundle(pretrain(tiny(table, method=CLIP), tmp_path / "run").bundle)
    words = bundle.embed_text(list(names))
    assert words.shape == (3, 8)
    assert bundle.project(torch.randn(5, bundle.embedding_dim)).shape == (5, 8)
