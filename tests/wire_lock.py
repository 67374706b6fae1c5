"""The lock on the wire: `proto/wire.lock` lists everything that was ever in proto/, one fact a line.

`make proto` runs this first. What is listed stays true for ever: a number is never given another name or type,
and nothing goes away unless its number (and name) is reserved. New facts are new lines to a reviewer.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "proto" / "wire.lock"


def described() -> FileDescriptorSet:
    """The definitions in proto/, with their comments."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "proto").rglob("*.proto"))
    with tempfile.NamedTemporaryFile() as made:
        options = ["-Iproto", "--include_source_info", f"--descriptor_set_out={made.name}"]
        command = [sys.executable, "-m", "grpc_tools.protoc", *options, *sources]
        subprocess.run(command, cwd=ROOT, check=True, timeout=60)
        return FileDescriptorSet.FromString(Path(made.name).read_bytes())


def facts(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """What may never change: the thing that is numbered or named → what it is."""
    return {where: what for file in files for where, what in _facts_of(file)}


def _facts_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for message in file.message_type:
        yield from _message(message, file.package)
    for enum in file.enum_type:
        yield from _enum(enum, file.package)
    for service in file.service:
        yield from _service(service, file.package)


def _message(message: DescriptorProto, scope: str) -> Iterator[tuple[str, str]]:
    name = f"{scope}.{message.name}"
    for field in message.field:
        yield f"{name} {field.number}", _field(field)
    for span in message.reserved_range:
        yield from ((f"{name} {number}", "reserved") for number in range(span.start, span.end))
    for nested in message.nested_type:
        yield from _message(nested, name)
    for enum in message.enum_type:
        yield from _enum(enum, name)


def _field(field: FieldDescriptorProto) -> str:
    label = FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
    kind = (
        field.type_name.lstrip(".")
        or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    )
    presence = "explicit" if field.proto3_optional else "implicit"
    return f"{field.name} {label} {kind} {presence}"


def _enum(enum: EnumDescriptorProto, scope: str) -> Iterator[tuple[str, str]]:
    for value in enum.value:
        yield f"{scope}.{enum.name} {value.number}", value.name
    for span in enum.reserved_range:
        yield from (
            (f"{scope}.{enum.name} {number}", "reserved") for number in range(span.start, span.end + 1)
        )


def _service(service: ServiceDescriptorProto, scope: str) -> Iterator[tuple[str, str]]:
    for method in service.method:
        streams = (
            f"{'stream ' if method.client_streaming else ''}{'stream ' if method.server_streaming else ''}"
        )
        what = f"{method.input_type.lstrip('.')} -> {streams}{method.output_type.lstrip('.')}"
        yield f"{scope}.{service.name}/{method.name}", what


def broken(locked: dict[str, str], now: dict[str, str]) -> list[str]:
    """What is no longer as it was locked; a number that became reserved is not broken."""
    return [
        f"{where} was {what!r}, is {now.get(where, 'gone')!r}"
        for where, what in locked.items()
        if now.get(where) not in (what, "reserved")
    ]


def read() -> dict[str, str]:
    """The facts that are locked."""
    lines = LOCK.read_text().splitlines() if LOCK.exists() else []
    return dict(_split(line) for line in lines if line and not line.startswith("#"))


def written(held: dict[str, str]) -> str:
    """The text of the lock."""
    head = "# Written by `make proto`; a line is never changed or removed, but for what becomes `reserved`.\n"
    return head + "".join(f"{where} = {what}\n" for where, what in sorted(held.items()))


def _split(line: str) -> tuple[str, str]:
    where, _, what = line.partition(" = ")
    return where, what


def main() -> int:
    """Refuse what breaks the lock; else lock what is new."""
    now = facts(described().file)
    wrong = broken(read(), now)
    if wrong:
        print("This breaks hosts and collectors that are out there:", *wrong, sep="\n  ", file=sys.stderr)  # noqa: T201
        return 1
    LOCK.write_text(written(now))
    return 0


if __name__ == "__main__":
    sys.exit(main())
