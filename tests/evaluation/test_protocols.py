from __future__ import annotations

import subprocess
import sys

import pytest

from audiossl.errors import RecipeError, UsageError
from audiossl.evaluation.protocol import list_protocols, load_protocol

FROZEN = {
    "events_linear@1": "293eacdf84a6437e0a026ed44309cd70e5570d621bd83c8ceda21fb35221876a",
    "few_shot@1": "879f87840d23d65002f309278dea8307b18c7bd18e2a96bf116c2d8deaf97b6c",
    "label_fraction@1": "98925746098fa04be267ab7472b066bccf6e5fc6a0e84a9262b130240910148c",
    "prototype@1": "b7cba72a42055bf0a1b62bb4e93f035b4c4cb6798bf000fefabc64e0d568506e",
    "clustering@1": "857194ca6c3b9c5384a6591145a5ee97fffcd446c9e47f710ec16735604fc6e6",
    "retrieval@1": "11783345cb5098bd2ea250c0cd50af64a0b592da324c81606418d19ea96f62c2",
    "lr_nested@1": "a8183582756b6a48edcce87942769311ce3e943725dd90752d9fea32cbdf0a1d",
    "lr_fixed@1": "0bdf027b78b317e2489c33361b1c1c0c0b5729641b5fb871554efaacc552c36a",
    "evar2026@1": "f22f97a8b2fe27d1351b799e544f0e4b3d33b6caff631320121815d7388fe5c0",
    "hear2021@1": "eee9316e73331f603138dded0f54989b63dc94d49e2d2e704af80b395b7a5c45",
    "xares2025@1": "e37bbf658e257ce08bfe7d491ee81c7f212a9c6d92865b8cb1d3e02bcf492918",
    "fonseca2021@1": "456055045f1a952b55be3bc5aeb3e299e7c408a195ec9062b7e73b2e81c7d0ad",
    "finetune@1": "83268c07ae1560a501f7dbf735e3f8d37d6bdc44d692b0af51d2fbc96009b58b",
    "scratch@1": "974d5b61da3e903b7ebfac607a30eb3b31171cdaaeedc5feacda2e34ac08ce6d",
    "knn@1": "d86220fdb3b1c3584fd01cd572fc4e143cfda52e46f62dc046aa154dd03f5eaf",
    "zero_shot@1": "479b783a189499dc357607a2358b01e7689e385da336a49482158c7bbc6af27e",
}


@pytest.mark.parametrize("name", FROZEN)
def test_a_published_protocol_never_changes(name):
    assert load_protocol(name).id == name
    assert load_protocol(name).hash == FROZEN[name], "write a new version instead"


def test_every_shipped_protocol_can_be_read_and_is_frozen():
    assert {load_protocol(name).id for name in list_protocols()} == set(FROZEN)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("lr_nestd@1", "lr_nested@1"), ("lr_nested", "lr_nested@1"), ("knn", "knn@1"), ("knn@2", "knn@1")],
)
def test_unknown_protocol_names_the_nearest(wrong, meant):
    with pytest.raises(UsageError, match=f"there is no protocol {wrong}; did you mean {meant}"):
        load_protocol(wrong)


def test_faults_of_an_own_protocol_come_with_lines(tmp_path):
    text = list_protocols()["lr_nested@1"].read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("seed: 0", "sead: 0").replace("version: 1\n", "version: 0\n"))
    with pytest.raises(RecipeError) as raised:
        load_protocol(str(path))
    told = str(raised.value)
    assert "mine.yaml:3: version: " in told
    assert "sead: unknown key; did you mean seed" in told


def test_parts_that_do_not_fit_are_refused(tmp_path):
    text = list_protocols()["knn@1"].read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("fit: {name: none}", "fit: {name: newton_cg, tolerance: 1e-6, max_iterations: 9}"))
    with pytest.raises(RecipeError, match="head knn goes with fit none"):
        load_protocol(str(path))


PATCH = "{unit: patch, window_s: crop, hop_s: 0.5, learning_hop_s: 0.25, batch_norm: eval}"


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("xares2025@1", "test_selected: true\n", "", "test_selected is true when the selection's valid is test"),
        ("evar2026@1", "valid: 0.1", "valid: test", "test_selected is true when the selection's valid is test"),
        ("evar2026@1", "learning_rate: 3e-4", "learning_rate: [3e-4, 1e-3]", "fit.learning_rate is a list; write one"),
        (
            "fonseca2021@1",
            "aggregation: softmax_mean",
            "aggregation: none",
            "unit patch (or sound )?go with aggregation",
        ),
        ("fonseca2021@1", "scaler: none\n", "scaler: standard\n", None),
        ("knn@1", "{unit: clip}", PATCH, "head knn takes features of unit"),
    ],
)
def test_faults_of_gradient_descent_and_patches_are_told(tmp_path, name, old, new, told):
    text = list_protocols()[name].read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new))
    if told is None:
        assert load_protocol(str(path)).scaler == "standard"
        path.write_text(path.read_text().replace("batch_norm: eval", "batch_norm: train"))
        told = "embeddings move with the encoder; write scaler none"
    with pytest.raises(RecipeError, match=told):
        load_protocol(str(path))


def test_a_grid_without_lists_is_refused(tmp_path):
    text = list_protocols()["hear2021@1"].read_text()
    path = tmp_path / "mine.yaml"
    one = (
        text.replace("[1, 2]", "1")
        .replace("[uniform, normal]", "normal")
        .replace("[3.2e-3, 1e-3, 3.2e-4, 1e-4]", "1e-3")
    )
    path.write_text(one)
    with pytest.raises(RecipeError, match="random_grid chooses among lists"):
        load_protocol(str(path))


def test_the_hash_sees_every_number_and_no_words():
    protocol = load_protocol("knn@1")
    assert protocol.model_copy(update={"description": "other"}).hash == protocol.hash
    assert protocol.model_copy(update={"seed": 1}).hash != protocol.hash


def test_reading_a_protocol_imports_nothing_heavy():
    code = (
        "import sys; from audiossl.evaluation.protocol import load_protocol; load_protocol('knn@1'); "
        "import audiossl.evaluation.report.table; print([m for m in ('torch', 'sklearn', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{unit: clip}", "{unit: clap}", "features.unit: unknown unit clap; did you mean clip"),
        ("{unit: clip}", "{}", "features: has no unit; write unit: and one of clip, patch"),
        ("{unit: clip}", "{unit: clip, hop_s: 1}", "features.hop_s: unknown key"),
    ],
)
def test_parts_that_go_by_another_key_than_name_have_their_faults_told(tmp_path, old, new, told):
    path = tmp_path / "mine.yaml"
    path.write_text(list_protocols()["knn@1"].read_text().replace(old, new))
    with pytest.raises(RecipeError) as raised:
        load_protocol(str(path))
    assert told in str(raised.value)
