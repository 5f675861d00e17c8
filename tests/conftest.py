"""What every test relies on: one thread, a mark on each test, and the optional shared data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from file_server import Server, running_server

# Before torch is imported: more threads change the order of floating-point sums and, on a
# machine that others use too, slow small tensors down.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Pin torch, whose default is the number of cores, for tests and for the models they train."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real corpora and reference texts that lie beside some checkouts, and are no part of one."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the shared data folder {folder}, which this machine lacks")
    return folder


@pytest.fixture
def make_server() -> Iterator[Callable[[], Server]]:
    """Each call starts another file server."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(running_server())


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    return make_server()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is `unit` unless it says otherwise."""
    for item in items:
        if not any(item.get_closest_marker(name) for name in ("recipe", "slow")):
            item.add_marker(pytest.mark.unit)
