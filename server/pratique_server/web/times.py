"""Moments as people say them; the exact time is beside it in every page."""

from pratique_server import moments

_STEPS = ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h"), (14 * 86_400, 86_400, "days"))
_WEEK = 604_800
_SOON = 2

Told = int | str | None
"""A moment as the store has it, or as RFC 3339."""


def moment(told: Told) -> int | None:
    """Microseconds since the epoch."""
    return moments.parse(told) if isinstance(told, str) else told


def exact(told: Told) -> str:
    """The time as RFC 3339."""
    return moments.text(moment(told)) or ""


def ago(told: Told, now: int | None = None) -> str:
    """How long since then: 3 min ago."""
    then = moment(told)
    if then is None:
        return "never"
    seconds = ((moments.now() if now is None else now) - then) // moments.SECOND
    if -_SOON < seconds < _SOON:
        return "just now"
    return f"in {_span(-seconds)}" if seconds < 0 else f"{_span(seconds)} ago"


def lasted(first: Told, last: Told) -> str:
    """How long something took."""
    began, ended = moment(first), moment(last)
    if began is None or ended is None or ended < began:
        return "–"
    seconds = (ended - began) / moments.SECOND
    return f"{seconds:.1f} s" if seconds < 60 else _span(int(seconds))  # noqa: PLR2004 -- a minute


def _span(seconds: int) -> str:
    for below, unit, name in _STEPS:
        if seconds < below:
            count = seconds // unit
            return f"{count} {'day' if count == 1 and name == 'days' else name}"
    return f"{seconds // _WEEK} weeks"
