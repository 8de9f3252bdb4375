from __future__ import annotations

from math import comb, log

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from audiossl.errors import RecipeError, UsageError
from audiossl.evaluation.measures.grouping import k_means, purity
from audiossl.evaluation.probes import run
from audiossl.evaluation.protocol import list_protocols, load_protocol
from tests.evaluation.made import blobs, items_of

PROTOCOL = load_protocol("clustering@1")


def slow_nmi(a, b):
    n = len(a)

    def entropy(x):
        return -sum((x == v).sum() / n * log((x == v).sum() / n) for v in set(x))

    joint = sum(
        ((a == u) & (b == v)).sum() / n * log(((a == u) & (b == v)).sum() * n / ((a == u).sum() * (b == v).sum()))
        for u in set(a)
        for v in set(b)
        if ((a == u) & (b == v)).any()
    )
    return joint / ((entropy(a) + entropy(b)) / 2)


def slow_ari(a, b):
    both = sum(comb(int(((a == u) & (b == v)).sum()), 2) for u in set(a) for v in set(b))
    in_a, in_b = (sum(comb(int((x == v).sum()), 2) for v in set(x)) for x in (a, b))
    expected = in_a * in_b / comb(len(a), 2)
    return (both - expected) / ((in_a + in_b) / 2 - expected)


def slow_purity(labels, clusters):
    return sum(max((labels[clusters == c] == k).sum() for k in set(labels)) for c in set(clusters)) / len(labels)


def test_the_score_is_that_of_the_clusters_found_without_labels():
    x, labels, folds = blobs(n=100, spread=1.0)
    score = run(PROTOCOL, x, items_of(labels, folds))
    standard = (x - x.mean(0)) / x.std(0)
    unit = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    found = [k_means(unit, 4, PROTOCOL.head, seed) for seed in range(5)]
    assert score.metrics["nmi"] == pytest.approx(np.mean([slow_nmi(labels, c) for c in found]))
    assert score.metrics["ari"] == pytest.approx(np.mean([slow_ari(labels, c) for c in found]))
    assert score.metrics["purity"] == pytest.approx(np.mean([slow_purity(labels, c) for c in found]))
    assert score.repeats == pytest.approx([slow_nmi(labels, c) for c in found])
    assert score.value == pytest.approx(np.mean(score.repeats))
    assert score.interval is None
    assert score.predictions == []
    assert score.value > 0.5


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learn_and_slow_loops_on_random_partitions(seed):
    rng = np.random.default_rng(seed)
    labels, clusters = rng.integers(0, 4, 60), rng.integers(0, 6, 60)
    assert normalized_mutual_info_score(labels, clusters) == pytest.approx(slow_nmi(labels, clusters))
    assert adjusted_rand_score(labels, clusters) == pytest.approx(slow_ari(labels, clusters))
    assert purity(labels, clusters) == pytest.approx(slow_purity(labels, clusters))


def test_purity_of_the_textbook_example():
    """Manning, Raghavan, Schuetze 2008, figure 16.1: (5 + 4 + 3) / 17."""
    clusters = np.repeat([0, 1, 2], [6, 6, 5])
    labels = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 2, 0, 0, 2, 2, 2])
    assert purity(labels, clusters) == 12 / 17


def test_labels_move_no_cluster_and_permuted_ones_give_chance():
    x, labels, folds = blobs(n=200)
    shuffled = np.random.default_rng(0).permutation(labels)
    score = run(PROTOCOL, x, items_of(shuffled, folds))
    assert abs(score.metrics["ari"]) < 0.03
    assert score.metrics["nmi"] < 0.06
    assert run(PROTOCOL, x, items_of(labels, folds)).metrics["ari"] > 0.1


def test_a_collapsed_encoder_has_one_cluster():
    labels = np.arange(40) % 4
    score = run(PROTOCOL, np.ones((40, 3)), items_of(labels, np.arange(40) // 20))
    assert score.metrics == {"nmi": 0.0, "ari": 0.0, "purity": 0.25}


def test_metrics_that_a_head_does_not_give_and_labels_it_does_not_learn_from_are_refused(tmp_path):
    text, path = list_protocols()["clustering@1"].read_text(), tmp_path / "mine.yaml"
    path.write_text(text.replace("[nmi, ari, purity]", "[nmi, accuracy]"))
    with pytest.raises(RecipeError, match="head kmeans does not measure accuracy; it does ari, nmi, purity"):
        load_protocol(str(path))
    path.write_text(text + "labels: {by: shots, budgets: [1], headline: 1, seeds: [0]}\n")
    with pytest.raises(RecipeError, match="head kmeans learns from no label; leave labels out"):
        load_protocol(str(path))


def test_items_of_several_labels_have_no_one_class_to_agree_with(tmp_path):
    from audiossl.data.items import Item, Items

    rows = [Item(id=f"c{i}", path=f"c{i}.wav", labels=["a", "b"][: 1 + i % 2], fold=i // 4) for i in range(8)]
    items = Items.from_rows(rows, tmp_path, name="several")
    with pytest.raises(UsageError, match="several has several labels per item, and clustering@1 scores one label"):
        run(PROTOCOL, np.ones((8, 2)), items)
