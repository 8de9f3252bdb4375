"""Each shipped data set as a tiny made-up tree in its exact layout, and what its index must then count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf

from tests.data.made import sounds, table


class Counts(NamedTuple):
    """Of one task: its `expect`, and (training, choosing, testing) of every round."""

    expect: dict[str, object]
    rounds: list[tuple[int, int, int]]


Layout = Callable[[Path], dict[str, Counts]]

LAYOUTS: dict[str, Layout] = {}


def layout(make: Layout) -> Layout:
    LAYOUTS[make.__name__] = make
    return make


def lines(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table(path.parent, *rows, name=path.name)


def esc50_rows(root: Path) -> None:
    rows = [
        f"{fold}-{10 * fold + c}-A-{c}.wav,{fold},{c},{label},{c == 0},{10 * fold + c},A"
        for fold in range(1, 6)
        for c, label in enumerate(["dog", "hen"])
    ]
    lines(root / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", *rows)
    sounds(root, *(f"audio/{row.split(',')[0]}" for row in rows))


@layout
def esc50(root: Path) -> dict[str, Counts]:
    esc50_rows(root)
    folds = dict.fromkeys("12345", 2)
    ten = {"items": 5, "classes": 1, "folds": dict.fromkeys("12345", 1), "groups": 5, "texts": 5}
    return {
        "esc50": Counts({"items": 10, "classes": 2, "folds": folds, "groups": 10, "texts": 10}, [(8, 0, 2)] * 5),
        "esc10": Counts(ten, [(4, 0, 1)] * 5),
    }


@layout
def esc10(root: Path) -> dict[str, Counts]:
    names = [
        f"{k:03} - {label}/{f}-{10 * f + k}-A.ogg" for f in range(1, 6) for k, label in ((1, "Dog bark"), (2, "Rain"))
    ]
    sounds(root, *names, "README.md")
    folds = dict.fromkeys("12345", 2)
    return {"esc10": Counts({"items": 10, "classes": 2, "folds": folds, "groups": 10, "texts": 10}, [(8, 0, 2)] * 5)}


@layout
def fsdnoisy18k(root: Path) -> dict[str, Counts]:
    train = [f"{i}.wav,{'Rain' if i % 2 else 'Fart'},/m/0,{int(i > 3)},{int(i < 4)}" for i in range(6)]
    lines(root / "FSDnoisy18k.meta" / "train.csv", "fname,label,aso_id,manually_verified,noisy_small", *train)
    lines(root / "FSDnoisy18k.meta" / "test.csv", "fname,label,aso_id", "7.wav,Rain,/m/0")
    sounds(root, *(f"FSDnoisy18k.audio_train/{i}.wav" for i in range(6)), "FSDnoisy18k.audio_test/7.wav")
    expect = {"items": 7, "classes": 2, "splits": {"train_noisy": 4, "train_clean": 2, "test": 1}}
    return {"fonseca2021": Counts(expect, [(4, 2, 1)]), "all_train": Counts(expect, [(6, 0, 1)])}


@layout
def fsd50k(root: Path) -> dict[str, Counts]:
    truth, meta = root / "FSD50K.ground_truth", root / "FSD50K.metadata"
    lines(truth / "vocabulary.csv", "0,Bark,/m/1", "1,Dog,/m/2", "2,Rain,/m/3")
    dev = [f'{i},"Bark,Dog",/m/1,train' if i % 2 else f"{i},Rain,/m/3,train" for i in range(8)]
    lines(truth / "dev.csv", "fname,labels,mids,split", *dev, '8,"Bark,Dog","/m/1,/m/2",val')
    lines(truth / "eval.csv", "fname,labels,mids", '90,"Dog,Rain","/m/2,/m/3"')
    uploaders = {str(i): {"title": "x", "tags": ["a"], "uploader": f"u{i // 2}", "license": "cc"} for i in range(9)}
    meta.mkdir()
    (meta / "dev_clips_info_FSD50K.json").write_text(json.dumps(uploaders))
    sounds(root, *(f"FSD50K.dev_audio/{i}.wav" for i in range(9)), "FSD50K.eval_audio/90.wav")
    return {
        "tagging": Counts({"items": 10, "classes": 3, "splits": {"train": 8, "valid": 1, "test": 1}}, [(8, 1, 1)]),
        "dev_uploaders": Counts({"items": 9, "classes": 3, "groups": 5}, []),
    }


@layout
def urbansound8k(root: Path) -> dict[str, Counts]:
    rows = [
        f"{100 + f}-{c}-0-{k}.wav,{100 + 10 * f + c},0.0,4.0,1,{f},{c},{label}"
        for f in range(1, 11)
        for c, label in enumerate(["air_conditioner", "car_horn"])
        for k in range(2)
    ]
    head = "slice_file_name,fsID,start,end,salience,fold,classID,class"
    lines(root / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv", head, *rows)
    sounds(root / "UrbanSound8K", *(f"audio/fold{row.split(',')[5]}/{row.split(',')[0]}" for row in rows))
    folds = {str(fold): 4 for fold in range(1, 11)}
    return {"folds": Counts({"items": 40, "classes": 2, "folds": folds, "groups": 20}, [(36, 0, 4)] * 10)}


@layout
def audioset(root: Path) -> dict[str, Counts]:
    lines(root / "class_labels_indices.csv", "index,mid,display_name", '0,/m/a,"Bark, dog"', "1,/m/b,Rain")
    head = [
        "# Segments csv created Sun Mar  5 10:54:25 2017",
        "# num_ytids=4, num_segs=4",
        "# YTID, start_seconds, ...",
    ]
    for name, n in (("balanced_train", 4), ("unbalanced_train", 5), ("eval", 2)):
        rows = [f'-{name[0]}_{i}, {30 * i}.000, {30 * i + 10}.000, "/m/a{",/m/b" * (i > 0)}"' for i in range(n)]
        lines(root / f"{name}_segments.csv", *head, *rows)
    sounds(root, *(f"balanced_train_segments/{name}" for name in ("-b_0.wav", "Y-b_1.flac", "-b_2_60.000.mp3")))
    sounds(root, "unbalanced_train_segments/-u_3.ogg", "eval_segments/-e_0.wav", "eval_segments/-e_1.wav")
    both = {"items": 6, "classes": 2, "splits": {"train": 4, "test": 2}}
    full = {"items": 11, "classes": 2, "splits": {"train": 4, "unbalanced": 5, "test": 2}}
    return {
        "balanced": Counts(both, [(3, 0, 2)]),
        "full": Counts(full, [(4, 0, 2)]),
        "unbalanced": Counts({"items": 5, "classes": 2}, []),
    }


@layout
def speech_commands(root: Path) -> dict[str, Counts]:
    words = ("yes", "no", "bed")
    sounds(root, *(f"{word}/{speaker}_nohash_0.wav" for word in words for speaker in ("0a7c2a8d", "1b", "2c", "3d")))
    lines(root / "validation_list.txt", *(f"{word}/1b_nohash_0.wav" for word in words))
    lines(root / "testing_list.txt", *(f"{word}/2c_nohash_0.wav" for word in words))
    (root / "_background_noise_").mkdir()
    sf.write(root / "_background_noise_" / "pink_noise.wav", np.zeros(16_000 * 2 + 100), 16_000)
    of_twelve = ("yes", "no", "_unknown_", "_silence_")
    sounds(root, *(f"speech_commands_test_set_v0.02/{word}/2c_nohash_0.wav" for word in of_twelve))
    thirty_five = {"items": 12, "classes": 3, "splits": {"train": 6, "valid": 3, "test": 3}, "groups": 4}
    twelve = {"items": 16, "classes": 4, "splits": {"train": 9, "valid": 3, "test": 4}}
    return {"v2_35": Counts(thirty_five, [(6, 3, 3)]), "v2_12": Counts(twelve, [(9, 3, 4)])}


@layout
def nsynth(root: Path) -> dict[str, Counts]:
    for part, n, first in (("train", 4, 0), ("valid", 2, 10), ("test", 2, 10)):
        notes = {
            f"{family}_acoustic_{first + k:03}-{part}-{k}": {
                "instrument_family_str": family,
                "instrument_source_str": "acoustic" if k % 2 else "electronic",
                "instrument_str": f"{family}_{first + k:03}",
                "pitch": 60 + k % 2 if part != "train" or k < 3 else 109,
                "qualities_str": ["bright", "reverb"] if k % 2 else ([] if k else ["dark"]),
                "sample_rate": 16000,
            }
            for k in range(n)
            for family in ("bass", "flute")
        }
        sounds(root, *(f"nsynth-{part}/audio/{name}.wav" for name in notes))
        (root / f"nsynth-{part}" / "examples.json").write_text(json.dumps(notes, indent=2))
    splits = {"train": 8, "valid": 4, "test": 4}
    return {
        "family": Counts({"items": 16, "classes": 2, "splits": splits, "groups": 12}, [(8, 4, 4)]),
        "source": Counts({"items": 16, "classes": 2, "splits": splits}, [(8, 4, 4)]),
        "pitch": Counts({"items": 14, "classes": 2, "splits": {**splits, "train": 6}}, [(6, 4, 4)]),
        "qualities": Counts({"items": 16, "classes": 3, "splits": splits}, [(8, 4, 4)]),
    }


@layout
def gtzan(root: Path) -> dict[str, Counts]:
    """All that the lists name: a row that no list names is left out, a name without its file is a fault."""
    folder = Path(__file__).parents[2] / "data_manifests" / "lists"
    names = [name for part in ("train", "valid", "test") for name in (folder / f"gtzan_{part}.txt").read_text().split()]
    unlisted = next(name for name in (f"hiphop.{i:05}" for i in range(100)) if name not in names)
    sounds(root, *(f"genres/{name.split('.')[0]}/{name}.wav" for name in [*names, unlisted]))
    splits = {"train": 443, "valid": 197, "test": 290}
    return {"filtered": Counts({"items": 930, "classes": 10, "splits": splits}, [(443, 197, 290)])}


@layout
def voxceleb1(root: Path) -> dict[str, Counts]:
    names = [f"id1000{speaker}/vid{part}/0000{k}.wav" for speaker in (1, 2) for part in (1, 2, 3) for k in (1, 2)]
    lines(root / "iden_split.txt", *(f"{name.split('vid')[1][0]} {name}" for name in names))
    sounds(root / "wav", *names)
    splits = {"train": 4, "valid": 4, "test": 4}
    return {"identification": Counts({"items": 12, "classes": 2, "splits": splits}, [(4, 4, 4)])}


@layout
def cremad(root: Path) -> dict[str, Counts]:
    rows = [
        f"{speaker}_IEO_{label}_XX.wav,{label},{speaker},{part}"
        for speaker, part in (("1001", "test"), ("1002", "train"), ("1003", "valid"), ("1004", "train"))
        for label in ("ANG", "SAD")
    ]
    lines(root / "cremad.csv", "file_name,label,speaker_id,split", *rows)
    sounds(root, *(f"AudioWAV/{row.split(',')[0]}" for row in rows), "AudioWAV/1006_TIE_NEU_XX.wav")
    splits = {"train": 4, "valid": 2, "test": 2}
    return {"emotion": Counts({"items": 8, "classes": 2, "splits": splits, "groups": 4}, [(4, 2, 2)])}


def early_scenes(root: Path, year: int, columns: int) -> dict[str, Counts]:
    dev, evaluation = (root / f"TUT-acoustic-scenes-{year}-{part}" for part in ("development", "evaluation"))
    rows = [
        "\t".join([f"audio/{letter}0{fold}0_0_{30 * k}.wav", scene, f"{letter}0{fold}0"][:columns])
        for fold in range(1, 5)
        for letter, scene in (("a", "beach"), ("b", "cafe/restaurant"))
        for k in (1, 2)
    ]
    lines(dev / "meta.txt", *rows)
    for fold in range(1, 5):
        setup = dev / "evaluation_setup" / f"fold{fold}_evaluate.txt"
        lines(setup, *("\t".join(row.split("\t")[:2]) for row in rows if f"0{fold}0_" in row))
    sounds(dev, *(row.split("\t")[0] for row in rows))
    lines(evaluation / "meta.txt", "audio/1.wav\tbeach", "audio/2.wav\tcafe/restaurant")
    sounds(evaluation, "audio/1.wav", "audio/2.wav")
    folds = {str(fold): 4 for fold in range(1, 5)}
    return {
        "folds": Counts({"items": 16, "classes": 2, "folds": folds, "groups": 8}, [(12, 0, 4)] * 4),
        "evaluation": Counts({"items": 18, "classes": 2, "splits": {"train": 16, "test": 2}}, [(16, 0, 2)]),
    }


@layout
def tut2016_scenes(root: Path) -> dict[str, Counts]:
    return early_scenes(root, 2016, 2)


@layout
def tut2017_scenes(root: Path) -> dict[str, Counts]:
    return early_scenes(root, 2017, 3)


def late_scenes(folder: Path, suffix: str, ends: tuple[str, ...]) -> dict[str, Counts]:
    names = [
        f"audio/{scene}-{city}-{place}-{place}{k}-{end}.wav"
        for scene, city, place in (("park", "paris", 1), ("metro_station", "paris", 1), ("park", "vienna", 40))
        for k in (1, 2)
        for end in ends
    ] + ["audio/metro_station-lyon-7-71-a.wav", "audio/park-milan-1000-3-a.wav"]
    rows = ["\t".join([name, name[6:].split("-")[0], "-".join(name.split("-")[1:3]), "a"]) for name in names]
    lines(folder / "meta.csv", "filename\tscene_label\tidentifier\tsource_label", *rows)
    head = ["filename\tscene_label"] if suffix == "csv" else []
    for part, places in (("train", ("paris",)), ("evaluate", ("vienna", "lyon"))):
        chosen = ["\t".join(row.split("\t")[:2]) for row in rows if any(place in row for place in places)]
        lines(folder / "evaluation_setup" / f"fold1_{part}.{suffix}", *head, *chosen)
    sounds(folder, *names)
    train, test = 4 * len(ends), 2 * len(ends) + 1
    splits = {"train": train, "test": test, "unused": 1}
    expect = {"items": train + test + 1, "classes": 2, "splits": splits, "groups": 5}
    return {"scenes": Counts(expect, [(train, 0, test)])}


@layout
def tut2018_urban_scenes(root: Path) -> dict[str, Counts]:
    return late_scenes(root / "TUT-urban-acoustic-scenes-2018-development", "txt", ("a",))


@layout
def tau2019_urban_scenes(root: Path) -> dict[str, Counts]:
    return late_scenes(root / "TAU-urban-acoustic-scenes-2019-development", "csv", ("a",))


@layout
def tau2020_mobile_scenes(root: Path) -> dict[str, Counts]:
    return late_scenes(root / "TAU-urban-acoustic-scenes-2020-mobile-development", "csv", ("a", "b", "s1"))


@layout
def tau2022_mobile_scenes(root: Path) -> dict[str, Counts]:
    return late_scenes(root / "TAU-urban-acoustic-scenes-2022-mobile-development", "csv", ("0-a", "1-a", "0-s6"))


@layout
def dcase2016_task2(root: Path) -> dict[str, Counts]:
    dev, test = root / "dcase2016_task2_train_dev" / "dcase2016_task2_dev", root / "dcase2016_task2_test_public"
    recordings = {
        dev: ["dev_1_ebr_-6_nec_1_poly_0", "dev_1_ebr_0_nec_1_poly_0"],
        test: ["test_1_ebr_6_nec_5_poly_1"],
    }
    for folder, stems in recordings.items():
        sounds(folder, *(f"sound/{stem}.wav" for stem in stems))
        for stem in stems:
            lines(folder / "annotation" / f"{stem}.txt", "2.5\t3.25\tcough", "0.5\t1.0\tkeys", "60.0\t61.5\tcough")
    splits = {"train": 1, "valid": 1, "test": 1}
    return {"events": Counts({"items": 3, "classes": 2, "splits": splits, "events": 9}, [(1, 1, 1)])}


@layout
def tut2017_sound_events(root: Path) -> dict[str, Counts]:
    dev, evaluation = (root / f"TUT-sound-events-2017-{part}" for part in ("development", "evaluation"))
    for i in range(1, 9):
        event = f"1.0\t2.5\t{'car' if i % 2 else 'children'}"
        row = f"audio/street/a{i:03}.wav\tstreet\t{event}"
        lines(dev / "meta" / "street" / f"a{i:03}.ann", row, f"{row}\tm\ta{i:03}".replace("1.0", "0.5"))
    for fold in range(1, 5):
        tested = (f"audio/street/a{i:03}.wav\tstreet" for i in (2 * fold - 1, 2 * fold))
        lines(dev / "evaluation_setup" / f"street_fold{fold}_test.txt", *tested)
    lines(evaluation / "meta" / "street" / "b091.ann", "0.0\t1.0\tcar", "3.0\t9.0\tchildren")
    (evaluation / "meta" / "street" / "b092.ann").touch()  # nothing was heard
    sounds(dev, *(f"audio/street/a{i:03}.wav" for i in range(1, 9)))
    sounds(evaluation, "audio/street/b091.wav", "audio/street/b092.wav")
    folds = {str(fold): 2 for fold in range(1, 5)}
    both = {"items": 10, "classes": 2, "splits": {"train": 8, "test": 2}, "events": 18}
    return {
        "folds": Counts({"items": 8, "classes": 2, "folds": folds, "events": 16}, [(6, 0, 2)] * 4),
        "evaluation": Counts(both, [(8, 0, 2)]),
    }


@layout
def bird_detection(root: Path) -> dict[str, Counts]:
    sets = {
        "birdvox": ("BirdVoxDCASE20k_csvpublic.csv", "BirdVox-DCASE-20k"),
        "freefield": ("ff1010bird_metadata_2018.csv", "ff1010bird"),
        "warblr": ("warblrb10k_public_metadata_2018.csv", "warblrb10k_public"),
    }
    for name, folder in sets.values():
        lines(root / name, "itemid,datasetid,hasbird", *(f"{i},{folder},{i % 2}" for i in range(4)))
        sounds(root, *(f"{folder}/wav/{i}.wav" for i in range(4)))
    alone = {name: Counts({"items": 4, "classes": 2}, []) for name in sets}
    return {"across": Counts({"items": 12, "classes": 2, "groups": 3}, [(8, 0, 4)] * 3), **alone}


@layout
def birdclef(root: Path) -> dict[str, Counts]:
    head = "primary_label,secondary_labels,latitude,longitude,rating,filename"
    rows = [f"{bird},\"['x', 'y']\",1,2,4.5,{bird}/XC{i}.ogg" for i, bird in enumerate(["asbfly", "barswa"] * 2)]
    lines(root / "train_metadata.csv", head, *rows)
    sounds(root / "train_audio", *(row.split(",")[-1] for row in rows))
    return {"species": Counts({"items": 4, "classes": 2}, [])}


@layout
def fsdd(root: Path) -> dict[str, Counts]:
    names = [f"{d}_{who}_{take}.wav" for d in (0, 7) for who in ("jackson", "theo") for take in (0, 4, 5, 49)]
    sounds(root / "recordings", *names)
    splits = {"train": 8, "test": 8}
    return {
        "digit_loso": Counts({"items": 16, "classes": 2, "splits": splits, "groups": 2}, [(8, 0, 8)] * 2),
        "official": Counts({"items": 16, "classes": 2, "splits": splits}, [(8, 0, 8)]),
        "speaker": Counts({"items": 16, "classes": 2, "groups": 2}, [(8, 0, 8)] * 2),
    }


@layout
def cifar10(root: Path) -> dict[str, Counts]:
    sounds(
        root, *(f"{part}/{label}/0{k}.{kind}" for part, k, kind in IMAGES for label in ("cat", "ship")), "labels.txt"
    )
    splits = {"train": 4, "test": 2}
    return {"classes": Counts({"items": 6, "classes": 2, "splits": splits}, [(4, 0, 2)])}


IMAGES = (("train", 1, "png"), ("train", 2, "jpg"), ("test", 1, "png"))


@layout
def imagenette(root: Path) -> dict[str, Counts]:
    of = [(part, wnid) for part in ("train", "val") for wnid in ("n01440764", "n02102040")]
    sounds(root, *(f"{size}/{part}/{wnid}/{wnid}_{k}.JPEG" for size in SIZES for part, wnid in of for k in (1, 2)))
    return {"classes": Counts({"items": 8, "classes": 2, "splits": {"train": 4, "test": 4}}, [(4, 0, 4)])}


SIZES = ("imagenette2-160", "imagenette2")


@layout
def imagewang(root: Path) -> dict[str, Counts]:
    train = [f"train/{wnid}/{wnid}_{k}.JPEG" for wnid in ("n01440764", "n02086240", "n02115641") for k in (1, 2)]
    test = [f"val/{wnid}/{wnid}_9.JPEG" for wnid in ("n02086240", "n02115641")]
    sounds(root / "imagewang-160", *train, *test, "unsup/7.JPEG", "unsup/n02086240_8.JPEG")
    everything = {"items": 10, "classes": 3, "splits": {"train": 6, "unsup": 2, "test": 2}}
    return {
        "dogs": Counts({"items": 8, "classes": 3, "splits": {"train": 6, "test": 2}}, [(6, 0, 2)]),
        "everything": Counts(everything, [(6, 0, 2)]),
    }
