from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import soundfile as sf
import torch

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.decoded import DecodedStore
from audiossl.data.items import Item, Items
from audiossl.errors import AudiosslError, DataError
from audiossl.evaluation.features.source import Source
from audiossl.evaluation.finetune import predictor, training
from audiossl.evaluation.finetune.examples import Examples, window_starts
from audiossl.evaluation.gains import gains
from audiossl.evaluation.honesty import digest
from audiossl.evaluation.outcome import Outcome, score_of
from audiossl.evaluation.probes import predict, task_of
from audiossl.evaluation.protocol import load_protocol
from audiossl.evaluation.report.table import gain_sentence
from audiossl.evaluation.scores import Row
from audiossl.modality import modality_of
from audiossl.progress import Silent
from audiossl.recipe.data import DataConfig
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.frontends import LogMelConfig
from audiossl.recipe.schema import Recipe
from tests.evaluation.made import cut_file, tiny_bundle

RATE = 8000
PITCHES = {"low": 300, "mid": 900, "high": 2500}
RECIPE = Recipe(
    data=DataConfig(crop_s=0.2),
    frontend=LogMelConfig(sample_rate=RATE, n_fft=256, window_length=256, hop=160, n_mels=16, f_max=4000),
    encoder=AudioNtt2020Config(dim=16),
)


def protocol_of(name="finetune@1", **fit):
    protocol = load_protocol(name)
    told = {"epochs": 1, "min_steps": 1, "batch_size": 8, **fit}
    return protocol.model_copy(update={"fit": protocol.fit.model_copy(update=told)})


QUICK = protocol_of()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(training, "cores", lambda: 1)  # threads that wait for each other are slow on a busy machine
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def bundle():
    return untrained_bundle(RECIPE, Statistics(-8.0, 4.0, 10), seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two tones of each pitch for each of three folds, and of each pair of pitches one chord."""
    folder, rng = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    times = np.arange(int(0.5 * RATE)) / RATE
    for fold in (1, 2, 3):
        for name in (*PITCHES, "low mid", "mid high", "low high"):
            for take in (1, 2):
                tones = [np.sin(2 * np.pi * PITCHES[part] * rng.uniform(0.95, 1.05) * times) for part in name.split()]
                samples = 0.2 * sum(tones) + 0.01 * rng.normal(size=len(times))
                sf.write(folder / f"{name}-{fold}-{take}.wav", samples, RATE)
    return folder


def rows(folder, names):
    return [
        Item(
            id=f"{name}-{fold}-{take}",
            path=f"{name}-{fold}-{take}.wav",
            labels=name.split(),
            fold=fold,
            group=f"{fold}",
        )
        for fold in (1, 2, 3)
        for take in (1, 2)
        for name in names
    ]


@pytest.fixture(scope="module")
def items(folder):
    return Items.from_rows(rows(folder, PITCHES), folder, name="tones")


@pytest.fixture(scope="module")
def chords(folder):
    names = (*PITCHES, "low mid", "mid high", "low high")
    return Items.from_rows(rows(folder, names), folder, name="chords")


class Told(Silent):
    """Remembers what it is told, and may do something at a step."""

    def __init__(self, at_step=lambda: None):
        self.at_step, self.steps, self.begun, self.folds = at_step, 0, [], []

    def start(self, title, total, unit, *, done=0):
        self.begun.append((title, total, unit, done))

    def advance(self, n=1, **facts):
        if "loss" in facts:
            self.steps += n
            self.folds.append(facts["fold"])
            self.at_step()


def outcomes(protocol, bundle, items, *folds, keep=False, progress=None, task=None, seed=0):
    task = task or task_of(protocol, items)
    task = task.only(folds) if folds else task
    return predict(protocol, Examples(bundle, items, progress or Silent(), keep), task, seed)


@pytest.mark.parametrize("name", ["finetune@1", "scratch@1"])
def test_pitches_are_learnt(name, bundle, items):
    protocol = protocol_of(name, epochs=25, batch_size=12, head_lr=1e-2, encoder_lr=1e-2)
    task = task_of(protocol, items)
    (found,) = outcomes(protocol, bundle, items, "2")
    assert (found.predicted == task.labels[task.rounds[1].test]).all()
    np.testing.assert_allclose(found.scores.sum(axis=1), 1, rtol=1e-5)


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """Two noisy pictures of each colour for each of three folds, taller than wide."""
    folder, rng = tmp_path_factory.mktemp("colours"), np.random.default_rng(0)
    shades = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}
    found = []
    for fold, take, name in product((1, 2, 3), (1, 2), shades):
        pixels = np.clip(rng.normal(shades[name], 20, size=(24, 20, 3)), 0, 255).astype(np.uint8)
        file = f"{name}-{fold}-{take}.png"
        PIL.Image.fromarray(pixels).save(folder / file)
        found.append(Item(id=file, path=file, labels=[name], fold=fold, group=f"{fold}"))
    return Items.from_rows(found, folder, name="colours")


@pytest.mark.parametrize("name", ["finetune@1", "scratch@1"])
def test_colours_are_learnt(name, colours):
    """Pictures are stored as bytes, and each is one crop."""
    protocol = protocol_of(name, epochs=40, batch_size=12, head_lr=5e-3, encoder_lr=5e-3)
    task, bundle = task_of(protocol, colours), tiny_bundle("image")
    before = digest(bundle)
    (found,) = outcomes(protocol, bundle, colours, "2")
    assert (found.predicted == task.labels[task.rounds[1].test]).all()
    np.testing.assert_allclose(found.scores.sum(axis=1), 1, rtol=1e-5)
    assert digest(bundle) == before


def test_a_cut_picture_is_named(colours, tmp_path):
    shutil.copytree(colours.root, tmp_path / "colours")
    copied = replace(colours, root=tmp_path / "colours")
    cut_file("image", copied.paths()[3])
    with pytest.raises(DataError, match=rf"{copied.paths()[3].name}.*--skip-failed"):
        outcomes(QUICK, tiny_bundle("image"), copied, "1")


def test_several_labels_are_learnt_side_by_side(bundle, chords):
    protocol = protocol_of(epochs=25, batch_size=12, head_lr=1e-2, encoder_lr=1e-2)
    task = task_of(protocol, chords)
    (found,) = outcomes(protocol, bundle, chords, "1")
    truth = task.truth[task.rounds[0].test]
    assert ((found.scores > 0.5) == truth).mean() > 0.85
    assert found.scores.sum(axis=1).max() > 1.2  # no softmax


def test_a_round_is_a_function_of_the_seed_and_leaves_all_else_alone(bundle, items):
    before, state, threads = digest(bundle), torch.get_rng_state(), torch.get_num_threads()
    (first,), (again,) = (outcomes(QUICK, bundle, items, "1") for _ in range(2))
    (other,) = outcomes(QUICK, bundle, items, "1", seed=1)
    assert (first.scores == again.scores).all()
    assert (first.scores != other.scores).any()
    assert digest(bundle) == before
    assert not bundle.encoder.training
    assert not any(weight.requires_grad for weight in bundle.encoder.parameters())
    assert (torch.get_rng_state() == state).all()
    assert torch.get_num_threads() == threads


def test_labels_of_test_items_change_nothing_and_those_of_training_items_do(bundle, items):
    task = task_of(QUICK, items).only(["1"])
    (honest,) = outcomes(QUICK, bundle, items, task=task)
    for side, same in ((task.rounds[0].test, True), (task.rounds[0].train, False)):
        poisoned = task.labels.copy()
        poisoned[side] = (poisoned[side] + 1) % 3
        (found,) = outcomes(QUICK, bundle, items, task=replace(task, label_lists=[[k] for k in poisoned.tolist()]))
        assert (found.scores == honest.scores).all() == same


def test_no_clip_but_those_of_training_is_read_before_training_is_over(bundle, items, monkeypatch):
    read: list[int] = []
    plain, score = DecodedStore.read, training.class_scores
    during = []

    def scored(*arguments):
        during.extend(read)
        return score(*arguments)

    monkeypatch.setattr(
        DecodedStore, "read", lambda self, index, *where: read.append(index) or plain(self, index, *where)
    )
    monkeypatch.setattr(training, "class_scores", scored)
    task = task_of(QUICK, items).only(["3"])
    outcomes(protocol_of(epochs=2, batch_size=12), bundle, items, task=task)
    assert set(during) == set(task.rounds[0].train.tolist())
    assert set(read[len(during) :]) == set(task.rounds[0].test.tolist())


def test_with_a_learning_rate_of_0_the_encoder_moves_in_its_batch_norm_alone(bundle, items):
    protocol = protocol_of(encoder_lr=0.0, epochs=2)
    task = task_of(protocol, items)
    one, source = task.rounds[0], Examples(bundle, items, Silent()).open()
    classifier = training.make_classifier(protocol, bundle, task, one, seed=0)
    head = {name: weight.clone() for name, weight in classifier.head.named_parameters()}
    training.fit(classifier, source, one)
    after = classifier.encoder.state_dict()
    moved = {name for name, value in bundle.encoder.state_dict().items() if (value != after[name]).any()}
    assert moved
    assert all(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in moved)
    assert all((weight != head[name]).any() for name, weight in classifier.head.named_parameters())


def test_a_killed_evaluation_goes_on_with_the_round_that_was_cut(bundle, items, cache, monkeypatch):
    steps = predictor.steps_of(QUICK.fit, task_of(QUICK, items).rounds[0])
    whole = outcomes(QUICK, bundle, items, "1", "2")

    def killed():
        if told.steps > steps:
            raise RuntimeError

    told = Told(killed)
    with pytest.raises(RuntimeError):
        outcomes(QUICK, bundle, items, "1", "2", keep=True, progress=told)
    again = Told()
    found = outcomes(QUICK, bundle, items, "1", "2", keep=True, progress=again)
    assert set(again.folds) == {"2"}
    assert again.begun[-1] == ("finetune@1", 2 * steps, "steps", steps)
    assert all((one.scores == other.scores).all() for one, other in zip(found, whole, strict=True))
    for path in (cache / "rounds").iterdir():
        path.write_bytes(path.read_bytes()[:-20])  # a cut file is no answer
    last = Told()
    outcomes(QUICK, bundle, items, "1", keep=True, progress=last)
    assert set(last.folds) == {"1"}


def test_a_kept_round_answers_for_nothing_else(bundle, items, monkeypatch):
    outcomes(QUICK, bundle, items, "1", keep=True)
    monkeypatch.setattr(training, "train_and_score", None)  # would fail if called
    outcomes(QUICK, bundle, items, "1", keep=True)
    task = task_of(QUICK, items)
    relabelled = replace(task, label_lists=[[(k + 1) % 3] for k in task.labels.tolist()])
    other = untrained_bundle(RECIPE, bundle.statistics, seed=6)
    for arguments, said in (
        ((QUICK, bundle, items, "2"), {}),
        ((QUICK, bundle, items, "1"), {"seed": 1}),
        ((QUICK, bundle, items, "1"), {"task": relabelled}),
        ((QUICK, bundle, items, "1"), {"keep": False}),
        ((QUICK, other, items, "1"), {}),
        ((protocol_of(head_lr=1e-4), bundle, items, "1"), {}),
    ):
        with pytest.raises(TypeError):
            outcomes(*arguments, **{"keep": True, **said})


def test_from_scratch_the_encoders_weights_play_no_part_and_one_architecture_is_trained_once(
    bundle, items, monkeypatch
):
    scratch = protocol_of("scratch@1")
    other = untrained_bundle(RECIPE, bundle.statistics, seed=6)
    (first,) = outcomes(scratch, bundle, items, "1")
    (second,) = outcomes(scratch, other, items, "1", keep=True)
    assert (first.scores == second.scores).all()
    monkeypatch.setattr(training, "train_and_score", None)  # would fail if called
    outcomes(scratch, bundle, items, "1", keep=True)
    longer = RECIPE.model_copy(update={"data": DataConfig(crop_s=0.3)})
    with pytest.raises(TypeError):
        outcomes(scratch, untrained_bundle(longer, bundle.statistics, seed=6), items, "1", keep=True)


def test_a_signal_ends_the_evaluation_at_the_next_step_and_keeps_no_half_round(bundle, items, cache):
    told = Told(lambda: signal.raise_signal(signal.SIGINT))
    listener = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        outcomes(protocol_of(epochs=20), bundle, items, "1", keep=True, progress=told)
    assert told.steps == 1
    assert not (cache / "rounds").exists()
    assert signal.getsignal(signal.SIGINT) is listener


def test_small_data_are_passed_over_more_often(items):
    one = task_of(QUICK, items).rounds[0]
    assert len(one.train) == 12
    assert predictor.steps_of(protocol_of(epochs=3, batch_size=4).fit, one) == 9
    assert predictor.steps_of(protocol_of(epochs=3, batch_size=4, min_steps=20).fit, one) == 20
    assert predictor.steps_of(protocol_of(epochs=3, batch_size=64).fit, one) == 3


@pytest.mark.parametrize(
    ("length", "window", "apart", "hop"), [(800, 200, 100, 10), (200, 200, 100, 10), (1234, 200, 70, 16)]
)
def test_windows_cover_a_clip_from_start_to_end(length, window, apart, hop):
    starts = window_starts(length, window, apart, hop)
    assert starts[0] == 0
    assert 0 <= length - (starts[-1] + window) < hop
    assert (starts % hop == 0).all()
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= apart + hop).all()


def test_a_clips_scores_are_the_mean_of_its_windows(bundle, items):
    task = task_of(QUICK, items)
    source = Examples(bundle, items, Silent()).open()
    classifier = training.make_classifier(QUICK, bundle, task, task.rounds[0], seed=0)
    window = modality_of(RECIPE).clips(RECIPE, bundle.frontend, None).crop_samples
    found = training.class_scores(classifier, source, np.array([7, 2]), 0.5)
    for row, clip in zip(found, (7, 2), strict=True):
        starts = window_starts(source.length(clip), window, round(window / 2), 160)
        assert len(starts) > 2
        slow = [classifier.probabilities(torch.from_numpy(source.read(clip, at, window))[None])[0] for at in starts]
        np.testing.assert_allclose(row, torch.stack(slow).mean(0), rtol=1e-4)


def test_untrained_twins_are_not_fine_tuned(bundle, items):
    assert Source(items, Silent(), lambda: bundle, trains=True).offers(QUICK)
    assert not Source(items, Silent(), lambda: bundle).offers(QUICK)
    assert not Source(items, Silent(), plain=lambda *_: None).offers(QUICK)


def test_a_loss_that_is_not_finite_is_no_score(bundle, items):
    broken = untrained_bundle(RECIPE, bundle.statistics, seed=5)
    broken.encoder.fc[0].bias.fill_(torch.nan)
    with pytest.raises(AudiosslError, match=r"step 0 .* the loss is nan"):
        outcomes(QUICK, broken, items, "1")


def test_a_file_that_cannot_be_read_is_named(bundle, folder, items):
    missing = Items.from_rows(
        [*items.rows(), Item(id="gone", path="gone.wav", labels=["low"], fold=1)], folder, name="tones"
    )
    with pytest.raises(DataError, match=r"gone\.wav: .*--skip-failed"):
        outcomes(QUICK, bundle, missing, "1")


def test_fine_tuning_is_compared_with_training_from_scratch_item_by_item(items):
    protocols = [load_protocol("finetune@1"), load_protocol("scratch@1")]
    task = task_of(protocols[0], items)
    task = replace(task, groups=np.arange(len(task.ids)))  # the made items are one group in each fold

    def score(protocol, wrong):
        """Right but for `wrong` of the six items of every fold."""
        said = [(task.labels[one.test] + (np.arange(6) < wrong)) % 3 for one in task.rounds]
        return score_of(protocol, task, [[Outcome(np.eye(3)[classes]) for classes in said]])

    scores = {protocol.id: score(protocol, wrong) for protocol, wrong in zip(protocols, (0, 3), strict=True)}
    row = Row.model_construct(kind="pretrained", models=[0], scores=scores)
    (gain,) = gains([row], protocols, [task, task])
    assert (gain.protocol, gain.scratch) == ("finetune@1", "scratch@1")
    assert (gain.pretrained, gain.untrained, gain.gain) == (1, 0.5, 0.5)
    assert 0 < gain.interval[0] < 0.5 < gain.interval[1] < 1
    told = gain_sentence(gain, SimpleNamespace(models=[SimpleNamespace(path="mine")]))
    assert told.startswith("mine, finetune@1: +50 points over the same architecture from scratch (scratch@1) (100.0")
    assert gains([row], protocols[:1], [task]) == []
