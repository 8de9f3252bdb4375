"""Joining a Ray cluster, or starting one on this machine for as long as it is wanted; quiet, and no word to anyone."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from audiossl.errors import AudiosslError, UsageError

LOCAL = "local"
_CORE_LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"
_PATIENCE_S = 5.0
"""To wait for a machine that does not answer."""
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""With which every gRPC client begins (RFC 9113, 3.4): the preface and an empty SETTINGS frame."""


def import_ray() -> Any:
    """The module (raises `UsageError` with the command that installs it)."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read at import and by the processes it starts
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(
            f"--engine ray needs Ray Data ({error}): pip install 'audiossl-toolkit[ray]'; or leave --engine out"
        ) from error
    return ray


@contextmanager
def joined(ray: Any, address: str | None, cpus: int) -> Iterator[None]:
    """Within: connected to the cluster at `address`, or to one on this machine that ends with the block.

    Where the process is connected already, it stays so.

    Args:
        ray: the module.
        address: `auto`, `HOST:PORT`, or `local` for one of our own; None is $RAY_ADDRESS, otherwise `local`.
        cpus: that a cluster of our own gives out.

    Raises:
        UsageError: no cluster answers at `address`.
        AudiosslError: Ray does not start on this machine.
    """
    told = os.environ.get("RAY_ADDRESS")
    place = (told if address == "auto" else address) or told or address or LOCAL
    with ExitStack() as stack:
        stack.enter_context(_quiet("ray", "ray.data"))
        stack.enter_context(_nothing_on_stdout(ray))
        if not ray.is_initialized():
            folder = stack.enter_context(_folder()) if place == LOCAL else None
            stack.callback(ray.shutdown)
            with _mute():
                if folder:
                    _start(ray, cpus, folder)
                else:
                    _join(ray, place)
        yield


def _start(ray: Any, cpus: int, folder: str) -> None:
    try:
        ray.init(LOCAL, num_cpus=cpus, include_dashboard=False, _temp_dir=folder, **_QUIET)
    except Exception as error:  # Ray raises plain ones
        raise AudiosslError(
            f"Ray did not start on this machine ({first_line(error)}); it may be too busy or short of memory: "
            "run the same command again, or leave --engine out"
        ) from error


def _join(ray: Any, address: str) -> None:
    try:
        if address != "auto":
            _greet(address)
        ray.init(address, **_QUIET)
    except Exception as error:  # as above
        raise UsageError(
            f"--address {address}: no Ray cluster can be joined there ({first_line(error)}); run this on a machine of "
            "the cluster with auto or HOST:PORT of its head, with RAY_AUTH_MODE=token where it wants a token"
        ) from error


def _greet(address: str) -> None:
    """Raise `OSError` where no gRPC server answers soon: Ray itself would try for two minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and "/" not in host):
        raise OSError("it is neither auto nor HOST:PORT")
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S) as connection:
        connection.sendall(_HTTP2_HELLO)
        if connection.recv(4)[3:] != b"\x04":
            raise OSError("something else answers at this port")


@contextmanager
def _folder() -> Iterator[str]:
    """A folder for logs and sockets, whose names may not be longer than 107 bytes: Ray appends some 70."""
    place = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(
        prefix="ray-", dir=place if len(place) < 24 else "/tmp", ignore_cleanup_errors=True
    ) as folder:
        yield folder


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Within: these loggers say nothing; what matters is raised."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _nothing_on_stdout(ray: Any) -> Iterator[None]:
    """Within: the deaths of workers are not printed where the command's own output goes.

    Nothing public stops that, `log_to_driver` does not; a test holds that this does.
    """
    module = ray._private.worker
    before, module._worker_logs_enabled = module._worker_logs_enabled, False
    try:
        yield
    finally:
        module._worker_logs_enabled = before


@contextmanager
def _mute() -> Iterator[None]:
    """Within: nothing reaches standard error, and Ray's core learns to write there only as it dies.

    It tells even that it has learnt so, from C++.
    """
    level = os.environ.get(_CORE_LOG_LEVEL)
    os.environ[_CORE_LOG_LEVEL] = "fatal"
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        os.environ.pop(_CORE_LOG_LEVEL)
        if level is not None:
            os.environ[_CORE_LOG_LEVEL] = level


_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}


def first_line(error: BaseException) -> str:
    """Of its text, without the full stop; its kind where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
