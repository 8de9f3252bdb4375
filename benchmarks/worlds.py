"""Which methods learn, by modality, in the toy worlds of the tests: neighbours before and after 200 steps of Adam.

    PYTHONPATH=. python benchmarks/worlds.py [--only simclr vicreg]

Of every method one case for sounds (worlds of vectors, or of one channel) and one for pictures (three channels, as the
image wing gives them). kNN is the share of 1,000 new clips whose ten neighbours tell the right of 16 clusters; rank is
RankMe. `collapse` tells what the monitors say at the end. Ends with a table in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

from audiossl.recipe.training import MonitorConfig
from audiossl.training.monitors import warning
from tests.methods import toy
from tests.methods.case import Case
from tests.methods.cases import CASES, photos


def chosen(only: list[str] | None) -> Iterator[tuple[str, Case | None, Case | None]]:
    """Name, case for sounds and case for pictures of each method; a rotation of one channel is no sound."""
    pictures = {case.config.name: case for case in photos.CASES}
    sounds = {case.config.name: case for case in reversed(CASES) if case not in photos.CASES}
    for name in dict.fromkeys(case.config.name for case in CASES):
        if only is None or name in only:
            takes = next(case.config.takes for case in CASES if case.config.name == name)
            yield name, sounds.get(name) if "audio" in takes else None, pictures.get(name)


def told(case: Case | None) -> list[str]:
    """World, kNN before and after, rank, and what the monitors say."""
    if case is None:
        return ["", "", "", ""]
    torch.manual_seed(0)
    before = toy.outcome(case.place, case.place.encoder(), torch.Generator().manual_seed(0))
    method = case.build()
    health = toy.health(case.place, method)
    after = toy.train(case.place, method, lr=case.lr)
    collapse = warning(toy.health(case.place, method), health, MonitorConfig()) is not None
    return [case.world, f"{before.knn:.2f} to {after.knn:.2f}", f"{after.rank:.0f}", "yes" if collapse else "no"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="METHOD")
    torch.set_num_threads(1)
    print("| method | sounds | kNN | rank | collapse | pictures | kNN | rank | collapse |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, sound, picture in chosen(parser.parse_args().only):
        print(f"| `{name}` | {' | '.join([*told(sound), *told(picture)])} |", flush=True)


if __name__ == "__main__":
    main()
