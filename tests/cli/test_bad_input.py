"""What cannot train is told in one sentence with exit code 2, before a clip is decoded or a file is written."""

import re
import shutil
from pathlib import Path

import pytest

from audiossl.data.decoded import DecodedStore
from audiossl.recipe.catalogue import fields, method_configs
from audiossl.recipe.demands import REMEMBERED
from audiossl.training import pretrain as training
from audiossl_cli import app as cli

NAMES = [config.model_fields["name"].default for config in method_configs()]
WITH_TEMPERATURE = [name for name in NAMES if "temperature" in {field.name for field in fields(name)}]
PLAIN = "views.spectrogram=[{name: normalise}]"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from audiossl.audio.synth import make_sounds

    folder = tmp_path_factory.mktemp("made")
    make_sounds(folder / "sounds", 24, 0)
    return folder / "sounds"


@pytest.fixture
def refused(made, tmp_path, monkeypatch, capsys):
    """Pretrain on 24 sounds of a second with some fields changed; gives the sentences of the refusal."""
    shutil.copytree(made, tmp_path / "sounds")
    (tmp_path / "tiny.yaml").write_text(
        "extends: audio/demo\nname: tiny\nfrontend: {hop: 640}\nencoder: {dim: 16}\n"
        "training: {steps: 2, batch_size: 8, threads: 1}\ndata: {manifest: sounds}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(training, "_train", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(DecodedStore, "make", lambda *_, **__: pytest.fail("decoded"))

    def refused(*overrides: str, command: tuple[str, ...] = ("pretrain",)) -> list[str]:
        before = sorted(tmp_path.rglob("*"))
        told = [word for override in overrides for word in ("--set", override)]
        assert cli.run([*command, "tiny.yaml", *told]) == 2
        assert sorted(tmp_path.rglob("*")) == before
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()

    return refused


def test_a_batch_of_one(refused):
    assert refused("training.batch_size=1") == ["--set training.batch_size=1: must be at least 2, not 1"]


def test_a_single_clip(refused):
    Path("sounds/metadata.csv").unlink()
    for path in sorted(Path("sounds").rglob("*.wav"))[1:]:
        path.unlink()
    assert refused("training.batch_size=2") == ["the data has 1 clip; training needs at least 2"]


def test_a_batch_larger_than_the_data(refused):
    assert refused("training.batch_size=25") == [
        "training.batch_size 25 is larger than the data (24 clips); write 16 or less"
    ]


@pytest.mark.parametrize("chain", ["[{name: normalise}]", "[{name: normalise}, {name: mix_back, p: 0}]"])
def test_views_that_are_one_crop_unchanged(refused, chain):
    (sentence,) = refused(f"views.spectrogram={chain}", "data.crops=same")
    assert sentence.startswith("all views of a clip are identical: they come from one crop and no augmentation")
    assert sentence.endswith("write data.crops: independent, or add one to views.spectrogram")


def test_views_of_clips_no_longer_than_a_crop(refused):
    (sentence,) = refused(PLAIN, "data.crop_s=30")
    assert sentence.startswith("all views of a clip are identical: no clip is longer than data.crop_s 30 and no")


@pytest.mark.parametrize(("name", "field"), [(n, f.name) for n in NAMES for f in fields(n) if f.name in REMEMBERED])
def test_a_memory_larger_than_the_data(refused, name, field):
    assert refused(f"method={{name: {name}, {field}: 25}}") == [
        f"method.{field} 25 is larger than the data (24 clips); write 12 or less, or auto"
    ]


def test_everything_that_is_asked_too_much_is_told_at_once(refused):
    assert len(refused("training.batch_size=25", "method={name: sela, clusters: 25}")) == 2


@pytest.mark.parametrize("name", WITH_TEMPERATURE)
@pytest.mark.parametrize("value", ["0", "-0.1"])
def test_a_temperature_of_nothing(refused, name, value):
    override = f"method={{name: {name}, temperature: {value}}}"
    (sentence,) = refused(override)
    assert re.fullmatch(
        rf"{re.escape(f'--set {override}')}: method\.temperature: must be (more than 0|at least 0\.\d+), not {value}",
        sentence,
    )


def test_an_unknown_method(refused):
    Path("tiny.yaml").write_text("extends: audio/demo\nmethod:\n  name: simclr2\n")
    assert refused() == ["tiny.yaml:3: method.name: unknown name simclr2; did you mean simclr?"]


def test_a_method_of_pairs_on_sounds_without_texts(refused):
    (sentence,) = refused("method={name: clip}")
    assert sentence.startswith("method clip needs a text for every clip, and 24 of 24 clips")


@pytest.mark.parametrize("command", [("pretrain", "--dry-run"), ("recipe", "show", "--resolved")], ids=" ".join)
def test_a_look_ahead_is_refused_the_same_way(refused, command):
    assert refused("training.batch_size=25", command=command) == [
        "training.batch_size 25 is larger than the data (24 clips); write 16 or less"
    ]
