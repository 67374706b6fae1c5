"""What malware may write into every field it has a say in, and a run that has one of these in all of them."""

import os
from typing import Any

from google.protobuf.message import Message

from fleet import story
from fleet.recorder import Recorder
from pratique.api import columns, wire
from pratique.api.v1 import telemetry_pb2, words_pb2

PAYLOADS = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "\"><svg onload=window.pwned=1>",
    "' autofocus onfocus=window.pwned=1 x='",
    "</textarea></title></style><script>window.pwned=1</script>",
    "<div hx-get=/logout hx-trigger=load hx-on:load=window.pwned=1>",
    "javascript:window.pwned=1//",
    "{{ 7*7 }}{% raw %}${7*7}<%= 7*7 %>",
    "]]><!--<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "data:text/html,<script>window.pwned=1</script>",
    "=HYPERLINK(\"https://elsewhere.example\",\"x\")",
    "\u202egnp.exe\u2066\u200b\x1b[2J\x07\x00evil\ufeff",
    "a\nid: 1\ndata: <script>window.pwned=1</script>\n\n",
    "%3Cscript%3Ewindow.pwned=1%3C/script%3E",
    "\U000e0041\U000e0042 tags and \u3164 fillers",
)  # fmt: skip
_KEPT = {"id", "run_id", "payload", "severity"}


def request(payload: str, run: str, when: int) -> telemetry_pb2.PutBatchRequest:
    """A blocked run with `payload` in every text, of its envelope and of its events."""
    made: Recorder = story.padder(run, when, None)  # type: ignore[arg-type]
    made.summary.notes.append("")
    made.summary.guard_lost = "x"
    made.rows = [_row(row, payload) for row in made.rows]
    told = made.request()
    _fill(told, payload)
    for found in told.findings:
        found.source.file, found.source.line, found.source.function = payload, 12, payload
        found.allow = f'[[allow]]\npackage = "{payload}"\nreason = "x"'
        found.package = _purl(payload)
    for package in told.packages:
        package.purl = _purl(payload)
    return told


def _purl(payload: str) -> str:
    return f"pkg:npm/{payload}@1.0.2"


def _row(row: columns.Row, payload: str) -> columns.Row:
    texts = {name: payload for name, value in row._asdict().items() if isinstance(value, str) and value}
    return row._replace(**{**texts, "name": payload}, argv=(payload, payload) if row.argv else ())


def _fill(message: Message, payload: str) -> None:
    """`payload` into every text below `message`."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            if field.message_type.GetOptions().map_entry:
                held: Any = getattr(message, field.name)
                if field.message_type.fields_by_name["value"].type == field.TYPE_STRING:
                    held[payload] = payload
                continue
            for each in value if isinstance(value, list) or hasattr(value, "add") else [value]:
                _fill(each, payload)
        elif field.type == field.TYPE_STRING and field.name not in _KEPT:
            _replace(message, field.name, payload)


def _replace(message: Message, name: str, payload: str) -> None:
    held = getattr(message, name)
    if isinstance(held, str):
        setattr(message, name, payload)
    else:
        held[:] = [payload] * max(len(held), 1)


def fill(fleet: story.Fleet, when: int) -> list[str]:
    """A run of each payload, from a host of that name; their ids."""
    ids = []
    for number, payload in enumerate(PAYLOADS):
        name = f"{payload} {os.urandom(2).hex()}"
        story.enrol(fleet, (name,), when)
        run = story.run_id((1 << 40) + number)
        fleet.put((name, request(payload, run, when), when))
        ids.append(run)
    return ids


def long(run: str, when: int, processes: int, argument: int = 0) -> list[telemetry_pb2.PutBatchRequest]:
    """A run of very many processes, with one very long argument, in as many batches as a host would make."""
    made = Recorder(run, when, ["pip", "install", "everything"], "pip", cwd="/", user="dev", backend="hooks")
    root = made.process(0, ["pip", "install", "everything"], words_pb2.ACTOR_MANAGER, words_pb2.STAGE_RESOLVE)
    build = made.process(
        root, ["make"], words_pb2.ACTOR_PACKAGE, words_pb2.STAGE_BUILD, "pkg:pypi/everything@1.0"
    )
    words = ["cc", *["a" * (wire.MOST_TEXT - 1)] * (argument // wire.MOST_TEXT)]
    for number in range(processes):
        child = made.process(build, words if number == 0 else ["cc", f"{number}.c"], words_pb2.ACTOR_PACKAGE,
                             words_pb2.STAGE_BUILD)  # fmt: skip
        made.exit(child)
    first, rows = made.request_of_part(made.rows[: wire.CUT_RECORDS]), made.rows[wire.CUT_RECORDS :]
    parts = [rows[at : at + wire.CUT_RECORDS] for at in range(0, len(rows), wire.CUT_RECORDS)]
    more = [made.more(part, seq) for seq, part in enumerate(parts, start=2)]
    first.run.batches = 1 + len(more)
    return [first, *more]
