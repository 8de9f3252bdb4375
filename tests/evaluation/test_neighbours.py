from __future__ import annotations

import numpy as np
import pytest

from audiossl.evaluation.heads import neighbours
from audiossl.evaluation.heads.neighbours import votes


def slow_votes(query, reference, labels, n_classes, k, temperature, own=None, owner=None):
    result = np.zeros((len(query), n_classes))
    for q, x in enumerate(query):
        near = []
        for r, y in enumerate(reference):
            if own is None or own[q] != owner[r]:
                near.append((float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)), r))
        for similarity, r in sorted(near, reverse=True)[:k]:
            result[q, labels[r]] += 1 if temperature is None else np.exp((similarity - 1) / temperature)
    return result


@pytest.mark.parametrize("temperature", [None, 0.07])
@pytest.mark.parametrize("k", [1, 5, 200])
@pytest.mark.parametrize("leave_out", [False, True])
def test_votes_equal_a_slow_loop(monkeypatch, temperature, k, leave_out):
    monkeypatch.setattr(neighbours, "QUERIES_AT_ONCE", 4)
    rng = np.random.default_rng(0)
    query, reference, labels = rng.normal(size=(9, 5)), rng.normal(size=(30, 5)), rng.integers(0, 3, 30)
    owners = {"own_Q": rng.integers(0, 4, 9), "owner_N": rng.integers(0, 4, 30)} if leave_out else {}
    fast = votes(query, reference, labels, 3, k=k, temperature=temperature, **owners)
    np.testing.assert_allclose(
        fast, slow_votes(query, reference, labels, 3, k, temperature, *owners.values()), rtol=1e-9
    )


def test_a_row_of_zeros_has_no_direction_and_no_nan():
    result = votes(np.zeros((1, 3)), np.eye(3), np.arange(3), 3, k=2, temperature=0.07)
    assert np.isfinite(result).all()


@pytest.mark.shared
@pytest.mark.parametrize("k", [20, 200])
def test_reproduces_the_reference_scores_with_their_defects(shared, k):
    """Fonseca et al. 2021: leave one clip out, majority per patch, then majority per clip.

    Two defects of the original are repeated by hand: after a clip's own patches are left out, neighbours are looked up
    in labels from which nothing was left out; and its old tensor library gives the largest label among equal counts.
    (Top-3 is left out: in which order that library ranked equal counts is not known.)
    """
    stored = np.load(shared / "reference" / "uclser20_pipeline.npz")
    features, labels, clip = stored["knn/feats"], stored["knn/labels"], stored["knn/clip"]
    counts = []
    for one in np.unique(clip):
        others = clip != one
        per_patch = votes(features[~others], features[others], labels[: others.sum()], 20, k=k, temperature=None)
        counts.append(np.bincount(19 - per_patch[:, ::-1].argmax(axis=1), minlength=20))
    predicted = 19 - np.array(counts)[:, ::-1].argmax(axis=1)
    truth = np.array([labels[clip == one][0] for one in np.unique(clip)])
    per_class = np.array([(predicted[truth == label] == label).mean() for label in range(20)])
    np.testing.assert_allclose(100 * per_class, stored[f"knn/K{k}_perclass"], atol=1e-6)
    micro, _, macro, _ = stored[f"knn/K{k}"]
    assert 100 * (predicted == truth).mean() == pytest.approx(micro, abs=1e-6)
    assert 100 * per_class.mean() == pytest.approx(macro, abs=1e-6)
