"""The clip-level scores of Fonseca et al. 2021 against arrays made by its code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiossl.evaluation.measures.fonseca import clip_means, neighbour_scores, supervised_scores

ARRAYS = Path(__file__).parents[1] / "data" / "clip_scores.npz"


@pytest.fixture(scope="module")
def stored():
    return np.load(ARRAYS)


@pytest.mark.shared
def test_the_copied_arrays_are_those_of_the_reference(shared, stored):
    reference = np.load(shared / "reference" / "uclser20_pipeline.npz")
    copied = [name for name in reference.files if name.startswith(("knn/", "sup/"))]
    assert sorted(stored.files) == sorted(copied)
    assert all((stored[name] == reference[name]).all() for name in copied)


@pytest.mark.parametrize("k", [20, 200])
def test_reproduces_the_published_neighbour_scores(stored, k):
    scores = neighbour_scores(stored["knn/feats"], stored["knn/labels"], stored["knn/clip"], k=k, as_published=True)
    told = [scores.top1, scores.top3, scores.balanced_top1, scores.balanced_top3]
    np.testing.assert_allclose(told, stored[f"knn/K{k}"], rtol=1e-12)
    np.testing.assert_allclose(scores.per_class, stored[f"knn/K{k}_perclass"], rtol=1e-12)


def test_reproduces_the_published_supervised_scores(stored):
    logits = stored["knn/feats"] @ stored["sup/W"]
    scores = supervised_scores(logits, stored["knn/labels"], stored["knn/clip"])
    loss, micro, macro = stored["sup/loss_micro_macro"]
    assert scores.loss == pytest.approx(loss, rel=1e-6)  # the original's is a float32 mean
    assert scores.micro == pytest.approx(micro, rel=1e-12)
    assert scores.macro == pytest.approx(macro, rel=1e-12)
    np.testing.assert_allclose(scores.per_class, stored["sup/perclass"], rtol=1e-12)


def slow_neighbours(x, labels, clips, k):
    """The same with sorted lists: for each clip its classes in the order of votes."""
    ranked = []
    for clip in sorted(set(clips)):
        votes = []
        for i in np.flatnonzero(clips == clip):
            near = sorted(
                (-float(x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j])), labels[j])
                for j in np.flatnonzero(clips != clip)
            )
            near = [label for _, label in near[:k]]
            votes.append(min(set(near), key=lambda label: (-near.count(label), label)))
        ranked.append(sorted(set(votes), key=lambda label: (-votes.count(label), label)))
    return ranked


@pytest.mark.parametrize("k", [1, 5, 500])
def test_neighbour_scores_equal_a_slow_loop(k):
    rng = np.random.default_rng(3)
    clips = np.repeat(np.arange(24), rng.integers(1, 6, 24))
    truth = np.arange(24) % 5
    x = rng.normal(size=(5, 6))[truth[clips]] + 1.5 * rng.normal(size=(len(clips), 6))
    scores = neighbour_scores(x, truth[clips], clips, k=k)
    ranked = slow_neighbours(x, truth[clips], clips, k)
    first = np.array([classes[0] for classes in ranked])
    third = np.array([label in classes[:3] for label, classes in zip(truth, ranked, strict=True)])
    assert scores.top1 == pytest.approx(100 * (first == truth).mean())
    assert scores.top3 == pytest.approx(100 * third.mean())
    assert scores.balanced_top1 == pytest.approx(np.mean([100 * (first[truth == c] == c).mean() for c in range(5)]))
    assert scores.balanced_top3 == pytest.approx(np.mean([100 * third[truth == c].mean() for c in range(5)]))


def test_clip_means_are_over_the_patches_of_each_clip():
    values = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_allclose(clip_means(values, np.array([1, 1, 0, 1]), 2), [[0.5, 0.5], [1 / 3, 2 / 3]])
