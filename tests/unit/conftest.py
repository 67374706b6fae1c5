"""A collector on loopback, and a host that is enrolled there."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from collector_double import Collector
from pratique.telemetry import enrolling
from pratique.telemetry.place import Place


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that runs."""
    made = Collector()
    made.start()
    yield made
    with suppress(AttributeError):
        made.stop()


@pytest.fixture
def place(tmp_path: Path, collector: Collector) -> Place:
    """A host that is enrolled there."""
    made = Place(tmp_path)
    enrolling.enrol(made, collector.url, collector.token(), "dev-machine")
    return made
