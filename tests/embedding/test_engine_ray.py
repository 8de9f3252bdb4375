"""The Ray engine: what leaves it is what leaves the local one, on two nodes, whoever is killed on the way."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
import soundfile as sf

import audiossl
from audiossl.embedding.engine import Engine
from audiossl.embedding.engine_ray import Places, _in_words, places, ray_engine
from audiossl.embedding.jobs import Embedded, Failed, Job, Result
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.ray_worker import (
    JOBS,
    RESULTS,
    in_order,
    jobs_table,
    read_checks,
    read_jobs,
    read_results,
    results_table,
)
from audiossl.embedding.store import KINDS, open_store
from audiossl.errors import AudiosslError, UsageError
from audiossl_cli.app import run
from tests.embedding.conftest import RATE, chirp

# Ray leaves sockets and processes to the garbage collector, and warns of its own future.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

NODES = Path(__file__).with_name("ray_nodes.py")
WINDOWS = {"window_s": 0.25, "hop_s": 0.02}


@pytest.fixture(scope="module")
def ray_environment() -> Iterator[None]:
    """No tokens in the home folder of who runs the tests, no cluster of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


@contextmanager
def two_nodes() -> Iterator[tuple[str, psutil.Process]]:
    """The address of a cluster of two nodes, and the process whose descendants they are."""
    command = [sys.executable, "-W", "ignore", str(NODES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        assert address, "the nodes did not start"
        yield address, psutil.Process(process.pid)
        process.stdin.close()


@pytest.fixture(scope="module")
def nodes(ray_environment) -> Iterator[tuple[str, psutil.Process]]:
    with two_nodes() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty files, four of them broken in different ways."""
    place = tmp_path_factory.mktemp("sounds")
    for number in range(36):
        sf.write(place / f"{number:02}.wav", chirp(0.5 + 0.05 * (number % 7), 200 + 20 * number), RATE, subtype="FLOAT")
    (place / "empty.wav").write_bytes(b"")
    (place / "text.wav").write_bytes(b"no sound")
    sf.write(place / "none.wav", np.zeros(0, np.float32), RATE)
    sf.write(place / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    return place


@pytest.fixture(scope="module")
def jobs(folder) -> list[Job]:
    whole = [Job(index, path) for index, path in enumerate(sorted(folder.iterdir()))]
    parts = [Job(100, folder / "03.wav", 0.1, 0.4), Job(7000, folder / "04.wav", 0.2)]
    return [*whole, *parts, Job(101, folder / "gone.wav")]


@pytest.fixture(scope="module")
def local(bundle, jobs) -> dict[int, Result]:
    return by_index(Engine(bundle, EmbedOptions(**WINDOWS)).run(jobs))


def by_index(results) -> dict[int, Result]:
    return {result.job.index: result for result in results}


def same(a: Result, b: Result) -> bool:
    """Bit for bit, with the same types."""
    if type(a) is not type(b):
        return False
    pairs = [(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a)]
    return all(
        np.array_equal(x, y) and x.dtype == y.dtype if isinstance(x, np.ndarray) else x == y and type(x) is type(y)
        for x, y in pairs
    )


def rows(out: Path) -> dict[tuple[object, ...], dict[str, object]]:
    """What a store says of every window and clip, but for the order."""
    found = {}
    for kind in KINDS:
        for row in open_store(out).table(kind).to_pylist():
            found[kind, row["path"], row["item_start_s"], row.get("start_s")] = row
    return found


def workers(nodes: psutil.Process) -> set[int]:
    """The process numbers of what holds a model."""
    found = set()
    for process in nodes.children(recursive=True):
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::MapWorker"):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


def wait_until(happens, timeout_s: float = 30.0) -> bool:
    end = time.monotonic() + timeout_s
    while not (so := happens()) and time.monotonic() < end:
        time.sleep(0.1)
    return so


def test_jobs_and_results_come_through_tables_as_they_were(local, jobs):
    there = [*jobs, Job(3, "s3://bucket/a?key=ü", None, 2.5), Job(4, Path(os.fsdecode(b"/a/\xff.wav")))]
    assert list(read_jobs(jobs_table(there))) == there
    assert {field.name for field in dataclasses.fields(Job)} <= set(JOBS.names)
    facts = {field.name for kind in (Embedded, Failed) for field in dataclasses.fields(kind)}
    assert facts - {"job"} == set(RESULTS.names) - {"index", "checked"}
    waiting = {job.index: job for job in jobs}
    back = by_index(read_results(results_table(list(local.values())), waiting))
    assert not waiting and back.keys() == local.keys()
    assert all(same(back[index], local[index]) for index in local)
    assert sum(isinstance(result, Failed) for result in local.values()) == 5


def test_what_a_worker_found_of_its_precision_comes_with_its_rows(local):
    found = {"windows": 3, "largest_difference": 0.01, "largest_relative": 0.02, "lowest_cosine": 0.99}
    plain = results_table(list(local.values()))
    told = results_table(list(local.values()), json.dumps({"worker": "a", "found": found}))
    assert list(read_checks(pa.concat_tables([plain, told, plain]))) == [("a", found)]


def test_results_of_many_threads_leave_in_the_order_of_their_jobs(local, jobs):
    shuffled = [local[jobs[at].index] for at in np.random.default_rng(0).permutation(len(jobs))]
    assert [result.job for result in in_order(jobs, shuffled)] == jobs


@pytest.mark.parametrize(
    ("resources", "device", "asked", "wanted"),
    [
        ({"CPU": 6.0}, "auto", "auto", Places(2, 6, "cpu", 1, 0)),
        ({"CPU": 6.0}, "cpu", 4, Places(2, 4, "cpu", 1, 0)),
        ({"CPU": 6.0}, "auto", 9, Places(2, 6, "cpu", 1, 0)),
        ({"CPU": 16.0, "GPU": 4.0}, "auto", "auto", Places(2, 4, "cuda", 4, 1)),
        ({"CPU": 16.0, "GPU": 4.0}, "cpu", "auto", Places(2, 16, "cpu", 1, 0)),
        ({"CPU": 2.0, "GPU": 4.0}, "cuda", 3, Places(2, 3, "cuda", 1, 1)),
    ],
)
def test_there_is_a_worker_per_core_or_per_gpu_and_no_more_than_asked_for(resources, device, asked, wanted):
    assert places(resources, 2, device, asked) == wanted


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_device_that_the_cluster_does_not_give_is_refused(device):
    with pytest.raises(UsageError, match="--device"):
        places({"CPU": 2.0}, 1, device, "auto")


def test_a_killed_worker_costs_nothing_but_time_and_no_word(bundle, nodes, jobs, local, capfd):
    address, processes = nodes
    done: dict[int, Result] = {}
    killed: set[int] = set()
    with ray_engine(bundle, EmbedOptions(engine="ray", address=address, **WINDOWS)) as engine:
        assert engine.parameters() == Engine(bundle, EmbedOptions(**WINDOWS)).parameters()
        assert engine.about()["nodes"] == 2 and engine.about()["workers"] == 2
        for result in engine.run(jobs):
            assert result.job.index not in done
            done[result.job.index] = result
            if not killed:
                killed = workers(processes)
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
        new = workers(processes) - killed
    assert killed and new, "nobody died, or nobody came instead"
    assert capfd.readouterr() == ("", "")
    assert done.keys() == local.keys()
    assert all(same(done[index], local[index]) for index in local)


@pytest.mark.slow
def test_a_lost_node_costs_nothing_but_time(bundle, ray_environment, jobs, local):
    done: dict[int, Result] = {}
    with (
        two_nodes() as (address, processes),
        ray_engine(bundle, EmbedOptions(engine="ray", address=address, **WINDOWS)) as engine,
    ):
        for result in engine.run(jobs):
            if not done:
                (_, second) = [child for child in processes.children(recursive=True) if child.name() == "raylet"]
                second.kill()
            done[result.job.index] = result
    assert done.keys() == local.keys()
    assert all(same(done[index], local[index]) for index in local)


def test_a_run_goes_on_from_the_local_engine_to_ray_and_back(bundle, nodes, folder, tmp_path):
    once, out = tmp_path / "once", tmp_path / "out"
    audiossl.embed(bundle, folder, once, **WINDOWS)
    first = audiossl.embed(bundle, sorted(folder.glob("0*.wav")), out, **WINDOWS)
    rest = audiossl.embed(bundle, folder, out, engine="ray", address=nodes[0], **WINDOWS)
    assert (first.embedded, rest.embedded, rest.skipped, rest.failed) == (10, 26, 10, 4)
    again = audiossl.embed(bundle, folder, out, **WINDOWS)
    assert (again.embedded, again.skipped, again.failed) == (0, 36, 4)
    assert rows(out) == rows(once)
    assert (out / "failures.csv").read_text() == (once / "failures.csv").read_text()


DRIVER = """
import os, signal, sys, audiossl
class Deadly:
    def start(self, *_, **__): self.left = 12
    def advance(self, n=1, **_):
        self.left -= n
        if self.left <= 0: os.kill(os.getpid(), signal.SIGKILL)
    def close(self): pass
model, sounds, out, address = sys.argv[1:]
audiossl.embed(
    model, sounds, out, engine="ray", address=address, shard_items=4, progress=Deadly(), window_s=0.25, hop_s=0.02
)
"""


def test_a_killed_driver_loses_a_shard_at_most_and_leaves_no_workers(model, bundle, nodes, folder, tmp_path):
    address, processes = nodes
    once, out = tmp_path / "once", tmp_path / "out"
    audiossl.embed(bundle, folder, once, **WINDOWS)
    command = [sys.executable, "-W", "ignore", "-c", DRIVER, str(model), str(folder), str(out), address]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert wait_until(lambda: not workers(processes)), "the workers of a dead driver end"
    there = open_store(out).count("clips")
    assert 12 - 4 - 4 <= there < 36
    rest = audiossl.embed(model, folder, out, engine="ray", address=address, **WINDOWS)
    assert (rest.embedded, rest.skipped) == (36 - there, there)
    assert rows(out) == rows(once)


def test_stopping_early_ends_the_workers_and_leaves_the_cluster(bundle, nodes, jobs):
    address, processes = nodes
    many = [dataclasses.replace(job, index=index) for index, job in enumerate(jobs * 5)]
    for _ in range(2):
        with ray_engine(bundle, EmbedOptions(engine="ray", address=address, **WINDOWS)) as engine:
            results = engine.run(many)
            next(results)
            assert workers(processes)
            results.close()
            assert wait_until(lambda: not workers(processes))


def test_a_bug_is_raised_at_once_and_a_node_of_another_version_named(bundle, nodes, jobs):
    import ray

    with ray_engine(bundle, EmbedOptions(engine="ray", address=nodes[0], workers=1)) as engine:
        sound = engine._load
        engine._load = sound._replace(options=None)
        with pytest.raises(ray.exceptions.RayTaskError, match=r"(?s)engine\.py.*AttributeError"):
            list(engine.run(jobs))
        engine._load = sound._replace(version="0.0.1")
        with pytest.raises(AudiosslError, match=r"the node \S+ has audiossl \S+, this machine 0\.0\.1; install"):
            list(engine.run(jobs))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The actor died: node failure.\nmore", "at the same files \\(The actor died: node failure\\)"),
        ("error raised in its creation task\nNo module named 'audiossl'", "\\(No module named 'audiossl'\\); install"),
    ],
)
def test_workers_that_die_over_and_over_are_told_in_a_sentence(text, told):
    import ray

    with pytest.raises(AudiosslError, match=told), _in_words(ray):
        raise ray.exceptions.RayActorError(None, text)


def test_a_cluster_of_our_own_ends_with_the_command_whose_report_stands_alone(model, folder, tmp_path, ray_environment):
    mine = Path(tempfile.gettempdir())
    before = set(mine.glob("ray-*"))
    command = [
        *(sys.executable, "-m", "audiossl_cli", "embed", str(model), str(folder), "--out", str(tmp_path / "out")),
        *("--engine", "ray", "--workers", "1", "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    report = json.loads(done.stdout)
    assert (report["embedded"], report["failed"]) == (36, 4)
    assert [line for line in done.stderr.splitlines() if not ("failures.csv" in line or "embedding:" in line)] == []
    assert set(mine.glob("ray-*")) <= before
    told = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in told if f"{mine}/ray-" in line]


@pytest.fixture
def web_page() -> Iterator[str]:
    """The address of something that listens and is no cluster."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def refusal(model: Path, sounds: Path, out: Path, capsys, *options: str) -> str:
    """What the command says as it ends with exit code 2, within half a minute and with nothing written."""
    began = time.monotonic()
    assert run(["embed", str(model), str(sounds), "--out", str(out), *options]) == 2
    assert time.monotonic() - began < 30 and not out.exists()
    said = capsys.readouterr()
    assert not said.out and "Traceback" not in said.err
    return " ".join(said.err.split())


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:10001", "no.such.host.invalid:6379"])
def test_an_address_without_a_cluster_is_told_in_a_sentence(model, folder, tmp_path, capsys, ray_environment, address):
    told = refusal(model, folder, tmp_path / "out", capsys, "--engine", "ray", "--address", address)
    assert f"--address {address}: no Ray cluster can be joined there" in told


def test_something_else_at_the_address_is_told_too(model, folder, tmp_path, capsys, ray_environment, web_page):
    told = refusal(model, folder, tmp_path / "out", capsys, "--engine", "ray", "--address", web_page)
    assert f"--address {web_page}: no Ray cluster can be joined there" in told


def test_without_ray_the_command_that_installs_it_is_told(model, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'audiossl-toolkit[ray]'" in refusal(model, folder, tmp_path / "out", capsys, "--engine", "ray")


def test_an_address_without_the_ray_engine_is_refused(model, folder, tmp_path, capsys):
    assert "address: is of a Ray cluster" in refusal(model, folder, tmp_path / "out", capsys, "--address", "auto")


def test_ray_is_imported_by_its_engine_alone(model, sounds, tmp_path):
    script = "import sys, audiossl; audiossl.embed(*sys.argv[1:]); sys.exit('ray' in sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", script, str(model), str(sounds(0.5)), str(tmp_path / "out")]
    assert subprocess.run(command, check=False).returncode == 0
