"""The four meanings of colour, each with a word and a shape: blocked, audited, clean, unknown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """How a state is shown."""

    meaning: str
    word: str


_MARKS = {
    "denied": Mark("blocked", "denied"),
    "killed": Mark("blocked", "killed"),
    "blocked": Mark("blocked", "blocked"),
    "failed": Mark("blocked", "failed"),
    "revoked": Mark("blocked", "revoked"),
    "audited": Mark("audited", "audited"),
    "findings": Mark("audited", "findings"),
    "pending": Mark("audited", "pending"),
    "proposed": Mark("audited", "proposed"),
    "clean": Mark("clean", "clean"),
    "allowed": Mark("clean", "allowed"),
    "applied": Mark("clean", "applied"),
    "in force": Mark("clean", "in force"),
    "guarded": Mark("clean", "guarded"),
    "enforced": Mark("clean", "enforced"),
    "verified": Mark("clean", "verified"),
    "killed-before": Mark("clean", "killed before"),
    "killed-after": Mark("audited", "killed after"),
    "seen": Mark("audited", "seen"),
    "claimed": Mark("audited", "claimed"),
    "blind": Mark("unknown", "blind"),
    "silent": Mark("unknown", "silent"),
    "incomplete": Mark("unknown", "incomplete"),
    "open": Mark("audited", "open"),
    "acknowledged": Mark("clean", "acknowledged"),
}


def of(word: str | None) -> Mark:
    """The mark of a word; one that is not known has the mark of the unknown, and is shown as it is."""
    return _MARKS.get(word or "") or Mark("unknown", word or "unknown")
