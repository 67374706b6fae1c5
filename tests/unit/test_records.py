"""Python's mirrors have the layout of the C structures, and decoding survives any bytes."""

import ctypes
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.demands import demand
from pratique import resources
from pratique.backends.hooks import capability, mirrors, records, syscalls, tokens
from pratique.backends.hooks.plan import CODE_GROUPS, Cell
from pratique.backends.hooks.tables import allow_key, cells, path_key
from pratique.backends.lsm import mirrors as lsm_mirrors
from pratique.managers.base import Pattern
from pratique.words import Act, Action, Actor, Stage

MIRRORS = {
    "label": mirrors.CLabel,
    "origin_key": mirrors.COriginKey,
    "inode_key": mirrors.CInodeKey,
    "named_key": mirrors.CNamedKey,
    "cell_key": mirrors.CCellKey,
    "cell": mirrors.CCell,
    "net4_key": mirrors.CNet4Key,
    "net6_key": mirrors.CNet6Key,
    "port_key": mirrors.CPortKey,
    "allow4_key": mirrors.CAllow4Key,
    "allow6_key": mirrors.CAllow6Key,
    "token_key": mirrors.CTokenKey,
    "beginnings": mirrors.CBeginnings,
    "watch": mirrors.CWatch,
    "counters": mirrors.CCounters,
    "record": mirrors.CRecord,
    "fork_record": mirrors.CFork,
    "exit_record": mirrors.CExit,
    "lost_label_record": mirrors.CLostLabel,
    "exec_record": mirrors.CExec,
    "net_record": mirrors.CNet,
    "name_record": mirrors.CName,
    "host_key": mirrors.CHostKey,
    "host_allow": mirrors.CHostAllow,
    "address_key": mirrors.CAddressKey,
    "file_record": mirrors.CFile,
    "ipc_record": mirrors.CIpc,
    "memory_record": mirrors.CMemory,
    "call_record": mirrors.CCall,
    "guarded": mirrors.CGuarded,
    "allowed_key": mirrors.CAllowedKey,
    "path_key": mirrors.CPathKey,
    "object": lsm_mirrors.CObject,
    "name_key": lsm_mirrors.CNameKey,
    "glob_key": lsm_mirrors.CGlobKey,
    "glob": lsm_mirrors.CGlob,
    "settings": lsm_mirrors.CSettings,
}


@pytest.fixture(scope="module")
def btf() -> list[dict[str, Any]]:
    """The types of the layout object."""
    path = resources.probes() / "layout.bpf.o"
    demand(
        None
        if shutil.which("bpftool") and path.exists()
        else "bpftool or compiled probes are missing (make -C probes)"
    )
    shown = subprocess.run(
        ["bpftool", "-j", "btf", "dump", "file", str(path)], capture_output=True, check=True, timeout=30
    )
    types: list[dict[str, Any]] = json.loads(shown.stdout)["types"]
    return types


@pytest.mark.parametrize("name", MIRRORS)
def test_mirror_has_the_layout_of_c(btf: list[dict[str, Any]], name: str) -> None:
    """Same size, same members, same offsets."""
    (found,) = [entry for entry in btf if entry["kind"] == "STRUCT" and entry["name"] == name]
    mirror = MIRRORS[name]
    ours = {field: getattr(mirror, field).offset for field, _ in mirror._fields_}

    assert {member["name"]: member["bits_offset"] // 8 for member in found["members"]} == ours
    assert found["size"] == ctypes.sizeof(mirror)


def test_every_shared_structure_has_a_mirror() -> None:
    """A structure added to the headers is added here; the kernel's private ones are not shared."""
    headers = Path(__file__).parents[2] / "probes" / "include"
    text = "".join(path.read_text() for path in headers.glob("*.h") if path.name != "kernel.h")
    private = {"socket_memory"}

    assert set(re.findall(r"^struct (\w+) \{", text, re.MULTILINE)) - private == set(MIRRORS)


def _enum(btf: list[dict[str, Any]], name: str) -> list[int]:
    (found,) = [entry for entry in btf if entry["kind"] == "ENUM" and entry["name"] == name]
    return [value["val"] for value in found["values"]]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("record_kind", sorted(records._DECODERS)),
        ("label_flag", [mirrors.PENDING, mirrors.MIXED, mirrors.OFF]),
        ("origin_flag", [mirrors.TAINTED]),
        ("exec_flag", [mirrors.TRUNCATED, mirrors.EXEC_PENDING, mirrors.UNREAD, mirrors.BEGAN]),
        ("net_flag", [mirrors.ALLOWED, mirrors.SEND, mirrors.SOCKET, mirrors.MALFORMED]),
        ("code_bit", [1 << bit for bit in range(5)]),
        ("code_group", list(range(len(CODE_GROUPS) + 1))),
        ("memory_how", list(range(1, len(mirrors.MEMORY_HOW)))),
        ("token_role", list(range(tokens.INTERPRETER, tokens.BARE + 1))),
        ("watch_kind", [0, *range(syscalls._PATH, syscalls._FILTERED + 1)]),
        (
            "allowed_use",
            [mirrors.ALLOWED_WRITE, mirrors.ALLOWED_IPC, mirrors.ALLOWED_EXEC, mirrors.ALLOWED_READ],
        ),
        ("object_flag", [int(flag) for flag in lsm_mirrors.Below]),
        ("counter", list(range(len(mirrors.COUNTERS)))),
    ],
)
def test_numbers_are_those_of_c(btf: list[dict[str, Any]], name: str, ours: list[int]) -> None:
    """No constant was added on one side only."""
    assert _enum(btf, name) == ours


@given(st.binary(max_size=5000))
def test_decoding_never_raises(data: bytes) -> None:
    """Any bytes are a record or None."""
    records.decode(data)


@given(st.sampled_from(sorted(records._DECODERS)), st.binary(min_size=0, max_size=4400))
def test_known_kinds_with_any_content(kind: int, content: bytes) -> None:
    """A well-formed head before hostile content decodes, or is told to be none."""
    head = mirrors.CRecord(kind=kind, stage=1, actor=5, act=1, comm=b"\xff\x1b")
    _, least, _ = records._DECODERS[kind]
    data = bytes(head) + content
    decoded = records.decode(data)

    assert (decoded is None) == (len(data) < least)
    assert decoded is None or decoded.head.comm == "\udcff\x1b"


@given(st.lists(st.binary(max_size=20).filter(lambda word: b"\0" not in word), min_size=1, max_size=9))
def test_argv_keeps_every_word(argv: list[bytes]) -> None:
    """Empty and undecodable words come back as they were."""
    joined = b"".join(word + b"\0" for word in argv)
    raw = mirrors.CExec(argv_length=len(joined))
    raw.head = mirrors.CRecord(kind=mirrors.EXEC, stage=1, actor=1)
    data = bytes(raw)[: mirrors.CExec.argv.offset] + joined
    decoded = records.decode(data)

    assert isinstance(decoded, records.ExecRecord)
    assert [word.encode("utf-8", "surrogateescape") for word in decoded.argv] == argv


def test_audit_keeps_what_a_cell_would_do() -> None:
    """Deny and kill become audit; audit stays audit."""
    row = Cell(Stage.BUILD, Actor.PACKAGE, Act.EXEC, 1, False, Action.KILL, 7, True)
    (value,) = cells([row], 0, audit=True).values()
    cell = mirrors.CCell.from_buffer_copy(value)

    assert (cell.action, cell.would, cell.rule, cell.locked) == (Action.AUDIT, Action.KILL, 7, 1)


def test_the_stronger_of_two_cells_stays() -> None:
    """In either order."""
    weak = Cell(Stage.BUILD, Actor.PACKAGE, Act.EXEC, 1, False, Action.AUDIT, 1, False)
    strong = Cell(Stage.BUILD, Actor.PACKAGE, Act.EXEC, 1, False, Action.DENY, 2, False)

    assert cells([weak, strong], 0, audit=False) == cells([strong, weak], 0, audit=False)
    assert [value[0] for value in cells([weak, strong], 0, audit=False).values()] == [Action.DENY]


def test_allow_keys_cover_the_network() -> None:
    """The prefix counts origin and port as well."""
    assert allow_key(3, "10.1.0.0/16", 443)[0] == "allows4"
    assert mirrors.CAllow4Key.from_buffer_copy(allow_key(3, "10.1.0.0/16", 443)[1]).prefix == 64 + 16
    assert mirrors.CAllow6Key.from_buffer_copy(allow_key(3, "2001:db8::/32", 0)[1]).prefix == 64 + 32


@pytest.mark.parametrize(
    ("word", "base"), [("/usr/bin/pip3.11", "pip"), ("pip", "pip"), ("npm-cli.js", "npm-cli"), (".x", "")]
)
def test_basenames_are_cut_as_in_c(word: str, base: str) -> None:
    """At the first digit or dot of the last component."""
    assert tokens.base(word) == base


def test_too_many_patterns_are_refused() -> None:
    """The masks have 64 bits."""
    with pytest.raises(ValueError, match="64"):
        tokens.tokens([Pattern("x", (), ("x",), (), ())] * 65)


def test_the_self_check_names_the_right_groups() -> None:
    """Its group of addresses comes after the code groups."""
    assert capability._PLAN.groups[capability._LOOPBACK - 1] == "net.loopback"


@given(st.lists(st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1)))
def test_paths_are_spelt_both_ways(names: list[str]) -> None:
    """What userspace spells for the kernel is what it reads back; too long a path has no key."""
    path = "".join(f"/{name}" for name in names)
    key = path_key(1, path, mirrors.ALLOWED_EXEC, children=False)
    if key is None:
        assert len(path.encode()) > mirrors.PATH_KEPT
    else:
        assert records._climbed(bytes(mirrors.CPathKey.from_buffer_copy(key).path).rstrip(b"\0")) == path


def test_filtered_calls_have_names() -> None:
    """Every watched number is named, sockets with their family, unknown ones by number."""
    names = {syscalls.request(number, 17) for number in syscalls._NAMES}

    assert {"bpf", "mount", "unshare", "socket(AF_PACKET)"} <= names
    assert "clone3" not in names
    assert syscalls.request(9999, 0) == "system call 9999"
