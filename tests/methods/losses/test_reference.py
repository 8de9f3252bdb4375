"""No record of the reference is left over: each is met by a family's tests, met elsewhere, or not ours for a reason."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from audiossl.training.monitors import effective_rank, scaled_std
from tests.methods import losses
from tests.methods.losses.reference import family, records

TESTS = Path(__file__).parents[2]
FAMILIES = [
    import_module(f"{losses.__name__}.{module.name}")
    for module in pkgutil.iter_modules(losses.__path__)
    if module.name.startswith("test_") and module.name != "test_reference"
]
GROUPS = {group: module.__name__ for module in FAMILIES for group in getattr(module, "GROUPS", {})}
ELSEWHERE = {
    "sinkhorn": "methods/test_assignment.py",
    "sela": "methods/test_assignment.py",
    "spherical_kmeans": "methods/test_assignment.py",
    "ema_tau": "methods/test_state.py",
    "dws_weights": "methods/losses/test_distance.py",
    "triplet_miner": "methods/losses/test_distance.py",
    "npid": "methods/losses/test_contrastive.py",
    "hypersphere": "methods/losses/test_contrastive.py",
    "lars5": "training/test_optim.py",
    "std_l2norm": "methods/losses/test_reference.py",
    "rankme": "methods/losses/test_reference.py",
}
"""Records that are no loss of two views, and the tests that meet them."""
NOT_OURS = {
    "pml_contrastive": "is not squared; ours is the loss of Hadsell et al. 2006",
    "supcon_out": "learns from labels, which never enter pre-training",
    "supcon_in": "learns from labels, which never enter pre-training",
    "swav/2crops_joint": "shares out both views at once; the paper's code and ours each view by itself",
    "knn": "asks one set about another; ours asks each clip about the clips of other groups",
    **{group: why for module in FAMILIES for group, why in getattr(module, "NOT_OURS", {}).items()},
}


@pytest.mark.shared
def test_every_record_is_met_or_not_ours_for_a_reason(shared):
    told = [GROUPS, ELSEWHERE, NOT_OURS]
    for record in records(shared):
        names = {record["group"], family(record)}
        homes = [home for home in told if names & home.keys()]
        assert len(homes) == 1, f"{record['name']} is in {len(homes)} of GROUPS, ELSEWHERE, NOT_OURS"


@pytest.mark.shared
def test_no_group_is_invented(shared):
    known = {family(record) for record in records(shared)}
    assert {group.split("/")[0] for group in (*GROUPS, *ELSEWHERE, *NOT_OURS)} == known


@pytest.mark.parametrize(("group", "file"), ELSEWHERE.items())
def test_what_is_met_elsewhere_is_named_there(group, file):
    assert group in (TESTS / file).read_text()


@pytest.mark.shared
def test_the_monitors_measure_what_others_measure(shared):
    z = torch.from_numpy(np.load(shared / "reference/losses.npz")["in/z1"])
    value = {record["name"]: record["value"] for record in records(shared)}
    assert scaled_std(z) == pytest.approx(value["std_l2norm/lightly"] * z.shape[1] ** 0.5, rel=0.01)
    # They add 1e-5 to each share, where the paper and we add 1e-7.
    assert effective_rank(z) == pytest.approx(value["rankme/spt"], rel=3e-3)
