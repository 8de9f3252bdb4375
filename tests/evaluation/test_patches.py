"""Patches of whole clips: cut, embedded and averaged as in Fonseca et al. 2021."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import soundfile as sf
import torch
from torch.nn import functional as F

from audiossl import rng
from audiossl.bundle.bundle import Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.items import Item, Items
from audiossl.errors import DataError
from audiossl.evaluation.features.patches import MovingPatches, grid_of, patch_features
from audiossl.evaluation.features.source import Source
from audiossl.evaluation.heads.gradient import by_gradient
from audiossl.evaluation.heads.inputs import MovingEncoder, MovingInputs, PatchInputs
from audiossl.evaluation.heads.networks import build_head
from audiossl.evaluation.honesty import digest
from audiossl.evaluation.probes import run, task_of
from audiossl.evaluation.protocol import load_protocol
from audiossl.evaluation.protocol.gradient import LastEpochConfig
from audiossl.progress import Silent
from audiossl.recipe.data import DataConfig
from audiossl.recipe.encoders import VggLikeConfig
from audiossl.recipe.frontends import FonsecaConfig
from audiossl.recipe.schema import Recipe

FONSECA = load_protocol("fonseca2021@1")
MOVING = FONSECA.model_copy(update={"features": FONSECA.features.model_copy(update={"batch_norm": "train"})})
RATE = 22_050


@pytest.fixture(scope="module")
def bundle():
    recipe = Recipe(frontend=FonsecaConfig(), encoder=VggLikeConfig(), data=DataConfig(crop_s=1.008))
    return untrained_bundle(recipe, Statistics(mean=-1.0, std=3.0), seed=0)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """Tones and noises of 0.4 to 2.4 s in three folds."""
    folder, stream = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    rows = []
    for i in range(12):
        n = round((0.4 + i % 5 / 2) * RATE)
        sound = np.sin(np.arange(n) * 0.1) if i % 2 else stream.normal(size=n)
        sf.write(folder / f"{i}.wav", 0.3 * sound + 0.01 * stream.normal(size=n), RATE, subtype="FLOAT")
        rows.append(Item(id=str(i), path=f"{i}.wav", labels=[("noise", "tone")[i % 2]], fold=i // 2 % 3 + 1))
    return Items.from_rows(rows, folder, name="made")


@pytest.fixture(scope="module")
def patches(bundle, items):
    return patch_features(bundle, items, FONSECA.features, Silent())


def whole(bundle, path):
    """The normalised spectrogram (F, T) of the whole file, at least one patch long."""
    samples = bundle.frontend.prepare(sf.read(path, dtype="float32")[0])
    x = np.resize(samples, max(len(samples), 100 * 220))
    return bundle.spectrogram(torch.from_numpy(x)[None])[0, 0]


def test_each_patch_is_a_window_of_the_whole_clips_spectrogram(bundle, items, patches):
    assert grid_of(bundle, FONSECA.features) == (101, 25, 2)
    row = 0
    for item, path in enumerate(items.paths()):
        x_FT = whole(bundle, path)
        starts = range(0, x_FT.shape[1] - 100, 25)
        for start in starts:
            with torch.no_grad():
                wanted = bundle.encoder(x_FT[None, None, :, start : start + 101])[0].numpy()
            np.testing.assert_allclose(patches.values[row], wanted, atol=1e-4 * np.abs(wanted).max())
            assert patches.owner[row] == item and patches.scored[row] == (start % 50 == 0)
            row += 1
        assert patches.first[item] == row - len(starts) and patches.count[item] == len(starts)
    assert row == len(patches.values) and patches.count.min() == 1 and patches.count.max() >= 6


def test_an_epoch_draws_any_patch_of_each_item(patches):
    inputs = PatchInputs(patches, lambda x: x, torch.device("cpu"))
    wanted = np.array([9, 2, 4])
    drawn = [inputs.drawn(wanted, np.random.default_rng(seed)).numpy() for seed in range(60)]
    for column, item in enumerate(wanted):
        own = patches.values[patches.owner == item]
        found = {int(np.abs(own - row[column]).sum(axis=1).argmin()) for row in drawn}
        assert all(np.abs(own - row[column]).sum(axis=1).min() == 0 for row in drawn)
        assert found == set(range(len(own)))


def test_the_fit_and_the_mean_softmax_equal_a_slow_loop(items, patches):
    """One random patch per clip and epoch, SGD; at the test the softmax averaged over the patches of a clip."""
    fit = FONSECA.fit.model_copy(update={"epochs": 3, "batch_size": 5, "milestones": [2]})
    protocol = FONSECA.model_copy(update={"selection": LastEpochConfig(), "fit": fit})
    task = task_of(protocol, items).only(["2"])
    one = task.rounds[0]
    outcome = by_gradient(protocol, patches, task, 7, map)[0]
    layer = build_head(protocol.head, 512, 2, rng.torch_stream("cpu", 7, "head", one.place))[0]
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for epoch in (1, 2, 3):
        optimiser.param_groups[0]["lr"] = 0.1 if epoch <= 2 else 0.01
        stream = rng.numpy_stream(7, "epoch", one.place, epoch)
        order = one.train[stream.permutation(len(one.train))]
        for start in range(0, len(order), 5):
            part = order[start : start + 5]
            share = stream.random(len(part))
            rows = [
                np.flatnonzero(patches.owner == item)[int(u * patches.count[item])]
                for item, u in zip(part, share, strict=True)
            ]
            optimiser.zero_grad()
            loss = F.cross_entropy(layer(torch.from_numpy(patches.values[rows])), torch.from_numpy(task.labels[part]))
            loss.backward()
            optimiser.step()
    for item, found in zip(one.test, outcome.scores, strict=True):
        own = torch.from_numpy(patches.values[(patches.owner == item) & patches.scored])
        wanted = np.mean([layer(patch).softmax(0).detach().numpy() for patch in own], axis=0)
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_tones_are_told_from_noise_and_the_encoder_stays_as_it_was(bundle, items):
    before = digest(bundle)
    source = Source(items, Silent(), lambda: bundle)
    task = task_of(FONSECA, items)
    fit = FONSECA.fit.model_copy(update={"epochs": 20, "batch_size": 4, "learning_rate": 1.0})
    frozen = FONSECA.model_copy(update={"fit": fit})
    score = run(frozen, source.features(frozen, task), items)
    assert score.metric == "macro_accuracy" and score.value > 0.8
    moving = MOVING.model_copy(update={"fit": fit.model_copy(update={"epochs": 2})})
    features = source.features(moving, task)
    assert isinstance(features, MovingPatches)
    assert run(moving, features, items, threads=1) == run(moving, features, items, threads=2)
    assert digest(bundle) == before


def test_a_moving_batch_norm_moves_as_torchs_does_and_nothing_else_does(bundle):
    net = MovingEncoder(bundle.encoder, torch.nn.Linear(512, 2))
    x = torch.randn(6, 1, 96, 101, generator=torch.Generator().manual_seed(0))
    torchs = deepcopy(bundle.encoder).train()
    with torch.no_grad():
        wanted = net.head(torchs(x))
    torch.testing.assert_close(net.train()(x), wanted)
    for name, value in net.encoder.state_dict().items():
        torch.testing.assert_close(value, torchs.state_dict()[name])
        changed = not torch.equal(value, bundle.encoder.state_dict()[name])
        assert changed == ("running" in name or "num_batches" in name), name
    net.eval()(x)
    torch.testing.assert_close(net.encoder.state_dict(), torchs.state_dict())
    assert [name for name, weight in net.named_parameters() if weight.requires_grad] == ["head.weight", "head.bias"]


def test_moving_inputs_draw_from_any_frame_and_score_every_half_second(bundle, items):
    features = patch_features(bundle, items, MOVING.features, Silent())
    inputs = MovingInputs(features, torch.device("cpu"))
    x_FT, item = features.spectrograms[4], np.array([4])
    starts = set()
    for seed in range(400):
        drawn = inputs.drawn(item, np.random.default_rng(seed))[0, 0]
        start = int((x_FT[:, : x_FT.shape[1] - 100] - drawn[:, :1]).abs().sum(dim=0).argmin())
        assert torch.equal(x_FT[:, start : start + 101], drawn)
        starts.add(start)
    assert min(starts) == 0 and max(starts) == x_FT.shape[1] - 101 and len(starts) > 70
    rows, places = zip(*inputs.scored(np.array([4, 0])), strict=True)
    wanted = [
        features.spectrograms[i][:, s : s + 101]
        for i in (4, 0)
        for s in range(0, features.spectrograms[i].shape[1] - 100, 50)
    ]
    assert torch.equal(torch.cat(rows)[:, 0], torch.stack(wanted))
    assert np.concatenate(places).tolist() == [0] * (len(wanted) - 1) + [1]


def test_a_file_that_cannot_be_read_is_named(bundle, items, tmp_path):
    (tmp_path / "cut.wav").write_bytes(b"RIFF")
    broken = Items.from_rows([Item(id="cut", path="cut.wav", labels=["tone"])], tmp_path, name="broken")
    with pytest.raises(DataError, match=r"cut\.wav"):
        patch_features(bundle, broken, FONSECA.features, Silent())
