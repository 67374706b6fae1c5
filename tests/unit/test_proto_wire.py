"""The definitions of the wire: locked for ever, documented to the last field, and generated as committed."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

import wire_lock

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def described() -> FileDescriptorSet:
    """What protoc reads in proto/."""
    return wire_lock.described()


def test_nothing_that_was_locked_has_changed(described: FileDescriptorSet) -> None:
    """A number means what it meant to every host and collector that is out there."""
    assert wire_lock.broken(wire_lock.read(), wire_lock.facts(described.file)) == []


def test_everything_is_locked(described: FileDescriptorSet) -> None:
    """What is not locked could change unseen: `make proto` locks it."""
    assert wire_lock.facts(described.file) == wire_lock.read()


def _changed(described: FileDescriptorSet, change: str) -> dict[str, str]:
    copy = FileDescriptorSet.FromString(described.SerializeToString())
    file = next(file for file in copy.file if file.name.endswith("/control.proto"))
    block = next(message for message in file.message_type if message.name == "Block")
    if change == "another name":
        block.field[0].name = "url"
    elif change == "another type":
        block.field[0].type = block.field[0].TYPE_BYTES
    elif change == "another number":
        block.field[0].number = 99
    elif change == "another enum value":
        file.enum_type[0].value[1].name = "DOCUMENT_KIND_OTHER"
    elif change == "a method away":
        del file.service[0].method[0]
    else:
        del block.field[0]
        if change == "reserved":
            block.reserved_range.add(start=1, end=2)
    return wire_lock.facts(copy.file)


@pytest.mark.parametrize(
    "change",
    ["another name", "another type", "another number", "another enum value", "a method away", "a field away"],
)
def test_a_breaking_change_is_seen(described: FileDescriptorSet, change: str) -> None:
    """The lock is not blind."""
    assert wire_lock.broken(wire_lock.facts(described.file), _changed(described, change)) != []


def test_what_is_reserved_may_go(described: FileDescriptorSet) -> None:
    """A field may be retired; its number is never given to another."""
    assert wire_lock.broken(wire_lock.facts(described.file), _changed(described, "reserved")) == []


def _uncommented(file: FileDescriptorProto) -> Iterator[str]:
    """Paths of messages, fields, enums, services and methods without a comment of their own."""
    commented = {
        tuple(place.path) for place in file.source_code_info.location if place.leading_comments.strip()
    }
    for path, name in _things(file):
        if path not in commented:
            yield f"{file.name} {name}"


def _things(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    for m, message in enumerate(file.message_type):
        yield (4, m), message.name
        yield from (((4, m, 2, f), f"{message.name}.{field.name}") for f, field in enumerate(message.field))
    yield from (((5, e), enum.name) for e, enum in enumerate(file.enum_type))
    for s, service in enumerate(file.service):
        yield (6, s), service.name
        yield from (((6, s, 2, m), method.name) for m, method in enumerate(service.method))


def test_every_field_is_documented(described: FileDescriptorSet) -> None:
    """Who reads a definition needs no other page to know what a field means."""
    assert [name for file in described.file for name in _uncommented(file)] == []


def _names(described: FileDescriptorSet) -> Iterator[tuple[str, str, str]]:
    for file in described.file:
        for message in file.message_type:
            yield message.name, r"[A-Z][A-Za-z]+", "message"
            yield from ((field.name, r"[a-z][a-z0-9_]*", "field") for field in message.field)
        for enum in file.enum_type:
            prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper()
            yield from ((value.name, rf"{prefix}_[A-Z0-9_]+", "value") for value in enum.value)
        for service in file.service:
            yield service.name, r"[A-Z][A-Za-z]+Service", "service"
            yield from (
                (f"{m.name} {m.input_type}", rf"{m.name} .*\.{m.name}Request", "request")
                for m in service.method
            )
            yield from (
                (f"{m.name} {m.output_type}", rf"{m.name} .*\.{m.name}Response", "response")
                for m in service.method
            )


def test_names_follow_the_house(described: FileDescriptorSet) -> None:
    """Names tell what they are, and every method has messages of its own that can grow."""
    assert [name for name, pattern, _ in _names(described) if not re.fullmatch(pattern, name)] == []


def test_packages_follow_their_folders(described: FileDescriptorSet) -> None:
    """A definition is found where its package says, and the generated imports are right."""
    expected = [str(Path(file.name).parent).replace("/", ".") for file in described.file]

    assert expected == [file.package for file in described.file]
    assert {file.syntax for file in described.file} == {"proto3"}


def test_zero_means_not_said(described: FileDescriptorSet) -> None:
    """An old reader gets zero for what it does not know: it must never be a claim, but for ALLOW."""
    zeros = {
        enum.value[0].name for file in described.file for enum in file.enum_type if enum.value[0].number == 0
    }

    assert len(zeros) == sum(len(file.enum_type) for file in described.file)
    assert {name for name in zeros if not name.endswith("_UNSPECIFIED")} == {"ACTION_ALLOW"}


def test_generated_code_is_current(tmp_path: Path) -> None:
    """The committed code is what `make proto` makes of the committed definitions."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "proto").rglob("*.proto"))
    made_by = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto"]
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([*made_by, *outputs, *sources], cwd=ROOT, check=True, timeout=60)

    made = {path.relative_to(tmp_path): path.read_text() for path in sorted(tmp_path.rglob("*.py*"))}
    held = {path.name for path in (ROOT / "agent/pratique/api/v1").glob("*_pb2*.py*")}

    assert {path.name for path in made} == held
    assert made == {path: (ROOT / "agent" / path).read_text() for path in made}
