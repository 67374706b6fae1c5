"""Whole messages out of the index: what was stored is checked again when it is read, and None when it is damaged."""

import json
from functools import lru_cache
from typing import Any, TypeVar

import zstandard
from google.protobuf.message import DecodeError, Message

from pratique.api.v1 import run_pb2

_LARGEST = 16 << 20
Some = TypeVar("Some", bound=Message)


def run_of(data: bytes | None) -> run_pb2.Run | None:
    """All that was said of a run but its coverage."""
    return _parsed(run_pb2.Run(), _expanded(data))


def finding_of(data: bytes | None) -> run_pb2.Finding | None:
    """All that was said of a finding."""
    return _parsed(run_pb2.Finding(), _expanded(data))


def package_of(data: bytes | None) -> run_pb2.Package | None:
    """All that was said of a package in a run."""
    return _parsed(run_pb2.Package(), data)


@lru_cache(maxsize=1024)
def coverage_of(data: bytes | None) -> tuple[dict[str, Any], ...]:
    """The rows of a host's coverage; most hosts of a fleet share theirs, so they are read once."""
    expanded = _expanded(data)
    try:
        rows = json.loads(expanded) if expanded else []
    except ValueError:
        rows = []
    return tuple(row for row in rows if isinstance(row, dict))


def _expanded(data: bytes | None) -> bytes | None:
    if not data:
        return None
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=_LARGEST)
    except zstandard.ZstdError:
        return None


def _parsed(message: Some, data: bytes | None) -> Some | None:
    try:
        if data is not None:
            message.ParseFromString(data)
    except DecodeError:
        return None
    return None if data is None else message
