"""What the collector pushes: checked, durable, in force at the next run, and never older than what is held."""

import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector_double import Collector
from fuzz import examples
from pratique.api.v1 import control_pb2
from pratique.model import Identity
from pratique.policy import allows, cache, sources
from pratique.telemetry.control import BLOCKS, POLICY, Pushed, _block
from pratique.telemetry.place import Place
from pratique.words import Quality
from uplink_house import Running, until


def _document(kind: int, version: int, **more: object) -> control_pb2.Document:
    return control_pb2.Document(kind=kind, version=version, **more)  # type: ignore[arg-type]


def _pushed(place: Place) -> list[str]:
    request = sources.Request(home="/nonexistent", state=str(place.state), system="/nonexistent")
    return [text.data.decode() for text in sources.gather(request) if text.kind == "collector"]


BLOCK = control_pb2.Block(purl="pkg:npm/evil@1.2.3", reason='it "stole" keys\n\x7f[[allow]]')


def test_a_block_reaches_a_listening_host_in_seconds(place: Place, collector: Collector) -> None:
    """An emergency block is a file of the next run's policy, and the collector knows that it is in force."""
    with Running(place):
        until(lambda: collector.watched)
        began = time.monotonic()
        collector.push(_document(BLOCKS, 1, blocks=[BLOCK]))
        until(lambda: collector.acknowledged)
        took = time.monotonic() - began

    assert [(each.version, each.applied, each.problem) for each in collector.acknowledged] == [(1, True, "")]
    assert ['package = "pkg:npm/evil@1.2.3"' in text for text in _pushed(place)] == [True]
    assert took < 10


def test_a_pushed_block_is_in_the_policy_of_the_next_run(tmp_path: Path) -> None:
    """What the collector blocks, the launcher's own compiler puts in force, above what the user allows."""
    Pushed(Place(tmp_path)).take(_document(BLOCKS, 1, blocks=[BLOCK]))
    (tmp_path / "home/.config/pratique").mkdir(parents=True)
    (tmp_path / "home/.config/pratique/config.toml").write_text(
        '[[allow]]\npackage = "pkg:npm/evil@1.2.3"\nconnect = ["sink.example:443"]\nreason = "I want it"\n'
    )
    request = sources.Request(str(tmp_path / "home"), state=str(tmp_path), system="/nonexistent")
    policy = cache.load(request)

    assert [block.package for block in policy.blocks] == ["pkg:npm/evil@1.2.3"]
    assert [source.kind for source in policy.sources if source.kind != "shipped"] == ["collector", "user"]
    identity_of_evil = Identity(Quality.VERIFIED, "pkg:npm/evil@1.2.3")
    assert allows.blocked(policy, identity_of_evil) is not None


def test_what_is_held_is_not_sent_again(place: Place, collector: Collector) -> None:
    """The next connection says what the host holds."""
    collector.push(_document(BLOCKS, 3, blocks=[BLOCK]))
    with Running(place):
        until(lambda: collector.acknowledged)
    with Running(place):
        until(lambda: len(collector.watched) == 2)
        until(lambda: dict(collector.hosts[-1].holds) == {"blocks": 3})

    assert [(each.kind, each.version) for each in collector.watched[1].held] == [(BLOCKS, 3)]
    assert len(collector.acknowledged) == 1


def test_a_wrong_policy_changes_nothing(tmp_path: Path) -> None:
    """A document that this host cannot compile is refused with the reason; what was held stays in force."""
    pushed, place = Pushed(Place(tmp_path)), Place(tmp_path)
    good = '[[allow]]\npackage = "pkg:npm/esbuild@0.25.0"\nconnect = ["cdn.example.com:443"]\nreason = "binary"\n'

    assert pushed.take(_document(POLICY, 1, policy=good)) is None
    problem = pushed.take(_document(POLICY, 2, policy='profil = "strict"\n'))
    older = pushed.take(_document(POLICY, 0, policy=""))
    strange = pushed.take(_document(77, 1))

    assert problem is not None
    assert 'unknown key "profil"' in problem
    assert older == "version 0 is older than 1, which is held"
    assert strange is not None
    assert _pushed(place) == [good]
    assert pushed.held() == {POLICY: 1}


def test_a_block_is_stronger_than_the_policy_beside_it(tmp_path: Path) -> None:
    """Files are read by name, and both take part."""
    place = Place(tmp_path)
    Pushed(place).take(_document(BLOCKS, 1, blocks=[BLOCK]))
    Pushed(place).take(_document(POLICY, 1, policy='profile = "strict"\n'))
    Pushed(place).take(_document(BLOCKS, 2, blocks=[]))

    assert _pushed(place) == ['profile = "strict"\n', ""]


@pytest.mark.wire("document from the collector")
@settings(max_examples=examples(100), deadline=None)
@given(
    st.sampled_from([("purl", "package"), ("digest", "digest"), ("host_name", "host")]),
    st.text(min_size=1, max_size=60),
    st.text(max_size=60),
)
def test_no_text_breaks_out_of_a_block(field: tuple[str, str], named: str, reason: str) -> None:
    """Whatever a collector writes into a block, the file says that and nothing else."""
    held = tomllib.loads(_block(control_pb2.Block(reason=reason, **{field[0]: named})))

    assert list(held) == ["block"]
    assert held["block"] == [{field[1]: named, "reason": reason or "blocked by the organisation"}]
