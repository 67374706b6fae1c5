"""One store of each kind, and one PostgreSQL for the whole session."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet import postgres
from lab.demands import demand
from pratique_server.store.store import Store, open_all

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Postgres]:
    """A PostgreSQL that was really started."""
    demand(None if postgres.programs() else "PostgreSQL is not installed")
    with postgres.running() as started:
        yield started


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'index.db'}"
    url: str = request.getfixturevalue("server").database()
    return url


@pytest.fixture
def opened(database: str, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the same store as often as it is called: each is what one collector would have."""
    segments = database if database.startswith("postgres") else f"days:{tmp_path / 'segments'}"
    stores: list[Store] = []

    def open_one() -> Store:
        stores.append(open_all(database, segments))
        return stores[-1]

    yield open_one
    for each in stores:
        each.close()


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    """A store, its tables made."""
    return opened()
