"""One sentence that says what happened, in words a person would use."""

from typing import Any

_VERBS = {
    "exec": "run", "exec.map": "load as code", "file.read": "read", "file.write": "write to", "file.create": "create",
    "file.link": "link", "file.rename": "rename", "file.remove": "remove", "file.truncate": "empty",
    "file.setattr": "change the rights of", "net.connect": "connect to", "net.listen": "listen on",
    "net.dns": "look up", "ipc.connect": "talk to", "proc.memory": "reach into the memory of",
    "proc.signal": "send a signal to", "kernel.bpf": "load into the kernel", "ns.enter": "enter a namespace",
    "mount": "mount", "ring": "open an io_uring", "priv.gain": "gain rights by",
}  # fmt: skip
_WHEN = {
    "resolve": "while it was being resolved",
    "build": "while it was being built",
    "script": "from its install script",
    "first-run": "when it ran for the first time",
}
_OUTCOMES = {
    "denied": "It was refused.",
    "killed": "It was ended.",
    "audited": "It was let through, and recorded.",
}
_WOULD = {
    "denied": "In enforce mode it would have been refused.",
    "killed": "In enforce mode it would have been ended.",
}


def verb(act: str) -> str:
    """What somebody tried to do."""
    return _VERBS.get(act, act)


def when(stage: str) -> str:
    """In which part of a run, in words."""
    return _WHEN.get(stage, stage)


def outcome(found: dict[str, Any]) -> str:
    """What became of it."""
    if found.get("level") == "killed-before":
        return "It was ended before it happened."
    if found.get("level") == "killed-after":
        return "It happened, and was ended then."
    said = _OUTCOMES.get(found["action"], found["action"])
    return f"{said} {_WOULD[found['would']]}" if found.get("would") in _WOULD else said
