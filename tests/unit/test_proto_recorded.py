"""The wire with runs that were recorded for real: small, whole, and fast enough for a fleet."""

import time
from itertools import islice, pairwise

import pytest

import recorded
from pratique.api import columns

BYTES_PER_EVENT = 35


@pytest.mark.parametrize("name", recorded.runs())
def test_a_recorded_run_is_whole(name: str) -> None:
    """What a collector decodes is what the host saw."""
    rows = recorded.runs()[name]
    packed = columns.encode(rows)

    assert list(columns.decode(packed.payload, packed.records, packed.raw_size).rows()) == list(rows)


def test_recorded_runs_are_small() -> None:
    """Each run packed by itself, without texts of others to lean on: what a collector stores of an event."""
    runs = recorded.runs().values()
    size = sum(len(columns.encode(rows).payload) for rows in runs)

    assert size / sum(map(len, runs)) <= BYTES_PER_EVENT


def test_a_stream_of_recorded_runs_is_never_the_same() -> None:
    """What is measured with repeats no run, or compression would be measured on copies."""
    some = list(islice(recorded.stream(), 40))

    assert len({tuple(run) for run in some}) == 40
    assert all(a[0].time_us != b[0].time_us for a, b in pairwise(some))


def test_encoding_and_decoding_keep_up() -> None:
    """200,000 events a second on two cores leave 10 µs an event for all; the bound here is for a busy machine."""
    runs = list(islice(recorded.stream(), 60))
    events = sum(map(len, runs))
    began = time.process_time()
    packed = [columns.encode(run) for run in runs]
    for each in packed:
        columns.decode(each.payload, each.records, each.raw_size)

    assert (time.process_time() - began) / events < 100e-6
