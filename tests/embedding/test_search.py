"""`audiossl.embeddings.search` and `duplicates`: what a name means, what is left out, which model embeds a sound."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import audiossl
from audiossl.api import embed
from audiossl.bundle.save import save_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.items import Item, Items
from audiossl.embedding.hit_files import save_hits
from audiossl.embedding.standardise import fit_scale, scaled_blocks
from audiossl.errors import CheckpointError, DataError, MediaError, UsageError
from audiossl.evaluation.measures.retrieval import rank_queries
from audiossl.evaluation.probes import run as run_protocol
from audiossl.evaluation.protocol import load_protocol
from tests.embedding.conftest import RATE, chirp
from tests.embedding.stores import sound, write_store

RNG = np.random.default_rng(3)
search = audiossl.embeddings.search


@pytest.fixture
def zoo(tmp_path):
    """30 clips of 2 windows each: three classes around their own centres, groups of two, every fifth in no group."""
    return make_zoo(tmp_path / "zoo")


def make_zoo(folder, sizes=1.0, noise=1.0):
    centres = RNG.normal(size=(3, 16)) * 2
    items = [
        sound(f"{at:02d}.wav", f"class {at % 3}", group=None if at % 5 == 0 else f"g{at // 6}{at % 3}")
        for at in range(30)
    ]
    windows = [(centres[at % 3] + noise * RNG.normal(size=(2, 16)) + 10 * (noise - 1)) * sizes for at in range(30)]
    return write_store(folder, items, windows, shard_items=7)


def test_an_item_finds_its_like_and_never_itself(zoo):
    for kind in ("clips", "windows"):
        (found,) = search(zoo, "04.wav", k=60, kind=kind)
        assert len(found.hits) == (29 if kind == "clips" else 58)
        assert "04.wav" not in {hit.id for hit in found.hits}
        assert [hit.similarity for hit in found.hits] == sorted((hit.similarity for hit in found.hits), reverse=True)
        assert found.hits[0].labels == ["class 1"] and found.hits[0].end_s > found.hits[0].start_s
    (by_path,) = search(zoo, "/sounds/04.wav", k=60)
    assert by_path.hits == found.hits


def test_a_moment_asks_with_its_window_and_a_map_changes_nothing(zoo):
    view = audiossl.embeddings.open(zoo, "windows")
    (found,) = search(zoo, "04.wav@0.7", k=3)
    x_ND = view.numpy().astype(float)
    x_ND /= np.linalg.norm(x_ND, axis=1, keepdims=True)
    near = x_ND @ x_ND[9]
    near[8:10] = -1
    ids = view.table(["id"])["id"].to_pylist()
    best = np.argsort(-near)[:3]
    assert [hit.id for hit in found.hits] == [ids[row] for row in best]
    assert np.allclose([hit.similarity for hit in found.hits], near[best])
    view.mapped()
    assert search(zoo, "04.wav@0.7", k=3) == [found]
    with pytest.raises(UsageError, match=r"04\.wav: no window holds 9 s; they lie between 0 and 1 s"):
        search(zoo, "04.wav@9")


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_several_queries_have_the_hits_of_each_alone(zoo, metric):
    names = ["04.wav", "11.wav@0", "29.wav"]
    assert search(zoo, names, k=4, metric=metric) == [search(zoo, name, k=4, metric=metric)[0] for name in names]


def test_precision_of_leave_one_out_search_equals_the_retrieval_protocols(zoo):
    table = audiossl.embeddings.open(zoo).pandas(["id", "labels", "group", "embedding"])
    classes = np.array([labels[0] for labels in table["labels"]])
    groups = table["group"].where(table["group"].notna(), table["id"]).to_numpy()
    truth = classes[:, None] == np.unique(classes)
    wanted = rank_queries(np.stack(table["embedding"]), truth, np.unique(groups, return_inverse=True)[1])
    found = search(zoo, table["id"].tolist(), k=10, kind="clips", exclude_group=True)
    same = [[hit.labels == [own] for hit in one.hits] for one, own in zip(found, classes, strict=True)]
    assert np.allclose([sum(hits) / 10 for hits in same], wanted["precision_at_10"])
    assert np.allclose([hits[0] for hits in same], wanted["precision_at_1"])
    assert 0.4 < np.mean(same) < 1.0, "neither trivial nor chance"


@pytest.mark.parametrize("kind", ["clips", "windows"])
def test_standardised_search_compares_rows_of_mean_0_and_deviation_1(zoo, kind):
    """Against all of it in memory, in float64; one dimension is the same in every row."""
    view = audiossl.embeddings.open(zoo, kind)
    x_ND = view.numpy().astype(np.float64)
    z_ND = (x_ND - x_ND.mean(0)) / x_ND.std(0)
    z_ND /= np.linalg.norm(z_ND, axis=1, keepdims=True)
    ids = view.table(["id"])["id"].to_pylist()
    clips = audiossl.embeddings.open(zoo).numpy().astype(np.float64)
    query = (clips[4] - x_ND.mean(0)) / x_ND.std(0)
    near = z_ND @ query / np.linalg.norm(query)
    near[[id_ == "04.wav" for id_ in ids]] = -2
    best = np.argsort(-near)[:5]
    for _ in range(2):
        (found,) = search(zoo, "04.wav", k=5, kind=kind, standardise=True)
        assert [hit.id for hit in found.hits] == [ids[row] for row in best]
        assert np.allclose([hit.similarity for hit in found.hits], near[best], atol=1e-12)
        view.mapped()  # which changes nothing
    assert found != search(zoo, "04.wav", k=5, kind=kind)[0]


def test_standardised_blocks_of_any_size_are_one_scale(monkeypatch):
    x_ND = RNG.normal(3, 2, (50, 4)).astype(np.float32)
    x_ND[:, 2] = 7.0
    wanted = (x_ND - x_ND.mean(0, dtype=float)) / np.where(x_ND.std(0, dtype=float) > 0, x_ND.std(0, dtype=float), 1)
    monkeypatch.setattr("audiossl.embedding.standardise._VALUES_AT_ONCE", 28)
    rows = np.arange(50)
    scale = fit_scale([(rows[:9], x_ND[:9]), (rows[9:], x_ND[9:])])
    parts = list(scaled_blocks([(rows, x_ND)], scale))
    assert [len(places) for places, _ in parts] == [7] * 7 + [1]
    assert np.array_equal(np.concatenate([places for places, _ in parts]), rows)
    assert np.allclose(np.concatenate([z for _, z in parts]), wanted, atol=1e-12)


def test_precision_at_10_of_standardised_search_is_retrieval_1s_score(tmp_path):
    """Of rows that all point the same way, with dimensions of very different size, as after a ReLU."""
    zoo = make_zoo(tmp_path / "zoo", sizes=np.geomspace(1, 300, 16), noise=4.0)
    table = audiossl.embeddings.open(zoo).table(["id", "labels", "group", "embedding"])
    names = table["id"].to_pylist()
    items = Items.from_rows(
        [
            Item(name, f"/sounds/{name}", labels=labels, group=group)
            for name, labels, group in zip(names, table["labels"].to_pylist(), table["group"].to_pylist(), strict=True)
        ],
        Path("/"),
    )
    values = audiossl.embeddings.open(zoo).numpy()
    score = run_protocol(load_protocol("retrieval@1"), values, items)
    precision = {}
    for standardise in (True, False):
        found = search(zoo, names, k=10, kind="clips", exclude_group=True, standardise=standardise)
        hits = [
            sum(hit.labels == labels for hit in one.hits)
            for one, labels in zip(found, table["labels"].to_pylist(), strict=True)
        ]
        precision[standardise] = float(np.mean(np.array(hits) / 10))
    assert precision[True] == score.metrics["precision_at_10"] != precision[False]


def test_a_group_is_left_out_only_when_asked(zoo):
    table = audiossl.embeddings.open(zoo).pandas(["id", "group"]).set_index("id")["group"]
    (all_,), (others,) = (search(zoo, "04.wav", k=30, kind="clips", exclude_group=told) for told in (False, True))
    own = set(table.index[table == table["04.wav"]]) - {"04.wav"}
    assert own and {hit.id for hit in all_.hits} - {hit.id for hit in others.hits} == own
    assert len(search(zoo, "05.wav", k=30, kind="clips", exclude_group=True)[0].hits) == 29


def test_faiss_looking_through_all_cells_finds_what_exact_search_finds(zoo):
    pytest.importorskip("faiss")
    for metric in ("cosine", "dot"):
        for standardise in (False, True):
            told = {"k": 5, "metric": metric, "exclude_group": True, "standardise": standardise}
            names = ["04.wav", "05.wav"]
            for _ in range(2):
                assert search(zoo, names, index="faiss", **told) == search(zoo, names, **told), told
    assert len(list(zoo.glob("*.faiss"))) == 4


def test_without_faiss_the_sentence_says_what_to_install(zoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UsageError, match="faiss is not installed; run: pip install faiss-cpu"):
        search(zoo, "04.wav", index="faiss")


@pytest.fixture
def heard(model, sounds, tmp_path):
    """Real sounds embedded by a real (tiny) model: the store and the folder of sounds."""
    folder = sounds(2.0, 1.0, 2.3)
    embed(model, folder, tmp_path / "heard", window_s=0.5, hop_s=0.25)
    return tmp_path / "heard", folder


def test_a_copy_from_outside_is_embedded_as_the_store_was(heard, tmp_path):
    store, folder = heard
    (tmp_path / "copy.wav").write_bytes((folder / "b.wav").read_bytes())
    (clip,), (window,) = (
        search(store, tmp_path / "copy.wav", k=1, kind="clips"),
        search(store, f"{tmp_path}/copy.wav@0.6"),
    )
    assert clip.hits[0].id == "b.wav" and clip.hits[0].similarity == pytest.approx(1.0, abs=1e-6)
    best = window.hits[0]
    assert (best.id, best.start_s, best.end_s) == ("b.wav", 0.25, 0.75), "the window whose middle is nearest"
    assert best.similarity == pytest.approx(1.0, abs=1e-6)


def test_the_model_is_found_at_its_place_or_where_told_and_another_is_refused(bundle, sounds, tmp_path):
    folder, place, query = sounds(1.0), tmp_path / "m.safetensors", tmp_path / "q.wav"
    sf.write(query, chirp(1.0, 500), RATE)
    save_bundle(place, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics)
    embed(place, folder, tmp_path / "out")
    assert search(tmp_path / "out", query)[0].hits
    moved = place.rename(tmp_path / "moved.safetensors")
    with pytest.raises(UsageError, match=r"was made by .*m\.safetensors, which is gone; give the bundle .* --model"):
        search(tmp_path / "out", query)
    assert search(tmp_path / "out", query, model=moved)[0].hits
    other = untrained_bundle(bundle.recipe, bundle.statistics, seed=5)
    save_bundle(place, encoder=other.encoder, recipe=other.recipe, statistics=other.statistics)
    for told in ({}, {"model": place}):
        with pytest.raises(UsageError, match=r"is not the model that made .*; give that one with --model"):
            search(tmp_path / "out", query, **told)
    with pytest.raises(CheckpointError, match="no such bundle"):
        search(tmp_path / "out", query, model=tmp_path / "nowhere.safetensors")
    assert search(tmp_path / "out", "a.wav")[0].hits == [], "an item needs no model"


def test_bad_queries_are_told_in_one_sentence(zoo, heard, tmp_path):
    for names, told, sentence in (
        ("04.wva", {}, r"04\.wva is no item of .*zoo and no file; did you mean 04\.wav"),
        ("xylophone", {}, r"give an id of the store, or the path of a sound file"),
        ([], {}, r"give at least one query"),
        ("04.wav", {"k": 0}, r"k is 0; ask for 1 hit or more"),
    ):
        with pytest.raises(UsageError, match=sentence) as raised:
            search(zoo, names, **told)
        assert "\n" not in str(raised.value)
    with pytest.raises(DataError, match="the store is empty"):
        search(write_store(tmp_path / "empty", [], []), "a.wav")
    with pytest.raises(DataError, match="holds no embeddings"):
        search(tmp_path / "sounds", "a.wav")
    (tmp_path / "noise.wav").write_bytes(b"no sound")
    with pytest.raises(MediaError, match=r"noise\.wav"):
        search(heard[0], tmp_path / "noise.wav")
    twice = write_store(
        tmp_path / "twice",
        [sound("x/a.wav")._replace(id="a"), sound("y/a.wav")._replace(id="a")],
        [np.ones((1, 3))] * 2,
    )
    with pytest.raises(UsageError, match="a means 2 items"):
        search(twice, "a")
    assert search(twice, "/sounds/x/a.wav")[0].hits[0].path == "/sounds/y/a.wav"


def test_hits_are_saved_as_long_as_their_rows_at_their_files_rate(heard, tmp_path):
    store, folder = heard
    saved = save_hits(store, search(store, "a.wav", k=3), tmp_path / "hits")
    assert len(saved.paths) == 3 and not saved.failures
    for rank, (path, hit) in enumerate(zip(saved.paths, search(store, "a.wav", k=3)[0].hits, strict=True), 1):
        assert path.name == f"0{rank}_{hit.similarity:.4f}_{hit.id}"
        samples, rate = sf.read(path)
        source, _ = sf.read(hit.path)
        assert rate == RATE and len(samples) == RATE // 2
        assert np.allclose(samples, source[round(hit.start_s * RATE) :][: len(samples)], atol=2**-15)
    (folder / "b.wav").unlink()
    again = save_hits(store, search(store, ["a.wav", "c.wav"], k=2, kind="clips"), tmp_path / "more")
    assert [path.relative_to(tmp_path / "more").parts[0] for path in again.paths] == ["01_a", "02_c"]
    assert len(again.failures) == 2 and "b.wav: does not exist" in again.failures[0]


def test_duplicates_are_told_by_group_and_windows_of_one_item_do_not_count(tmp_path):
    rows = RNG.normal(size=(4, 2, 12))
    rows[3] = rows[1] * 3
    rows[0, 1] = rows[0, 0]
    store = write_store(tmp_path / "store", [sound(f"{name}.wav", name) for name in "abcd"], list(rows))
    clips = audiossl.embeddings.duplicates(store)
    assert [[hit.id for hit in group] for group in clips.groups] == [["b.wav", "d.wav"]] and clips.compared == 4
    assert [hit.similarity for hit in clips.groups[0]] == pytest.approx([1, 1])
    windows = audiossl.embeddings.duplicates(store, kind="windows", threshold=0.999)
    told = [[(hit.id, hit.start_s) for hit in group] for group in windows.groups]
    assert told == [[("b.wav", 0.0), ("d.wav", 0.0)], [("b.wav", 0.5), ("d.wav", 0.5)]]
    with pytest.raises(UsageError, match="threshold 2 is no cosine"):
        audiossl.embeddings.duplicates(store, threshold=2)
