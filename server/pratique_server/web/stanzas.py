"""The `[[allow]]` stanza of a finding, and a policy with it added."""

import re
from typing import Any

_REASON = re.compile(r"^reason\s*=.*$", re.MULTILINE)


def of(found: dict[str, Any]) -> str:
    """The stanza as the host wrote it; empty when nothing may permit the act."""
    return (found["allow"] or "").strip()


def added(document: str, stanza: str, reason: str) -> str:
    """`document` with the stanza at its end; the reason of the person who proposes it stands in it."""
    line = f"reason = {_quoted(reason)}"
    told = _REASON.sub(lambda _: line, stanza, count=1) if _REASON.search(stanza) else f"{stanza}\n{line}"
    return f"{document.rstrip()}\n\n{told}\n".lstrip()


def _quoted(text: str) -> str:
    """A TOML string: one line, nothing in it ends it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    plain = "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped)
    return f'"{plain}"'
