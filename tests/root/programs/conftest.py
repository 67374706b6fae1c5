"""The programs, attached with a small plan, and somebody who listens."""

import socket
from collections.abc import Iterator

import pytest

from lab.demands import demand
from lab.probed import NPM, PIP, PLAN, RUN, UV, UVX, YARN
from pratique.backends.hooks.capability import capability
from pratique.backends.hooks.probes import Probes


@pytest.fixture(scope="module", autouse=True)
def able() -> None:
    """Load and refuse here, or do without these tests."""
    support = capability()
    demand(None if support.ok else support.why)


@pytest.fixture
def probes() -> Iterator[Probes]:
    """The programs, attached, with the plan above."""
    made = Probes(PLAN, RUN, (PIP, NPM, UV, UVX, YARN))
    made.load()
    made.attach()
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """A listener that belongs to nobody in the run."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()
