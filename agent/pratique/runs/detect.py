"""Conditions over events, compiled once to closures: what `detect:` and `sequence:` in a rule mean."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import translate
from typing import Any

from pratique.errors import ConfigError

FIELDS = (
    "time", "kind", "act", "actor", "stage", "action", "rule", "groups", "tainted", "pid", "origin", "purl",
    "path", "to", "address", "port", "name", "exe", "argv", "comm", "errno", "outside",
)  # fmt: skip
BY = ("run", "origin")

Check = Callable[[Mapping[str, Any]], bool]
_Test = Callable[[Any], bool]

_LONGEST = 4096
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MANY = 4096


def compile_detect(conditions: Mapping[str, Any]) -> Check:
    """A closure, true when every `field|modifier: value` holds; `ConfigError` names a wrong field."""
    if not isinstance(conditions, Mapping) or not conditions:
        raise ConfigError("detect: conditions must be a table of `field|modifier: value`")
    checks = [_condition(str(key), value) for key, value in conditions.items()]
    return lambda event: all(check(event) for check in checks)


class Sequence:
    """Ordered steps within a time, per run or per origin; the last step may ask for `count` matches.

    One attempt per key is kept, and at most 4096 keys: a process storm cannot grow it.
    """

    def __init__(self, rule: Mapping[str, Any]) -> None:
        unknown = set(rule) - {"steps", "within", "by", "count"}
        if unknown:
            raise ConfigError(f"sequence: unknown key {min(unknown)!r}")
        self._steps = _steps(rule.get("steps"))
        self._within = _seconds(rule.get("within"))
        self._by = _choice("by", rule.get("by", "origin"), BY)
        self._count = _positive("count", rule.get("count", 1))
        self._attempts: dict[int, _Attempt] = {}

    def feed(self, event: Mapping[str, Any]) -> bool:
        """Take one event in; true when it completes the sequence, which then begins anew."""
        key = 0 if self._by == "run" else int(event.get("origin") or 0)
        attempt = self._attempts.get(key) or self._open(key)
        if not attempt.take(event, self._steps, self._within, self._count):
            return False
        self.forget(key)
        return True

    def forget(self, origin: int) -> None:
        """Drop the state of an origin whose last process is gone."""
        self._attempts.pop(origin, None)

    def _open(self, key: int) -> "_Attempt":
        if len(self._attempts) >= _MANY:
            del self._attempts[next(iter(self._attempts))]
        return self._attempts.setdefault(key, _Attempt(self._count))


class _Attempt:
    """How far one key has come: the step awaited, when it began, and the matches of the last step."""

    def __init__(self, count: int) -> None:
        self._step = 0
        self._began = 0.0
        self._hits: deque[float] = deque(maxlen=count)

    def take(self, event: Mapping[str, Any], steps: list[Check], within: float, count: int) -> bool:
        now = float(event.get("time") or 0.0)
        if self._step and now - self._began > within:
            self._step = 0
            self._hits.clear()
        if self._step < len(steps) - 1:
            self._advance(event, steps, now)
            return False
        return steps[-1](event) and self._hit(now, within, count)

    def _advance(self, event: Mapping[str, Any], steps: list[Check], now: float) -> None:
        if steps[self._step](event):
            self._began = now if self._step == 0 else self._began
            self._step += 1
        elif self._step == 1 and steps[0](event):
            self._began = now  # the later start leaves the most time for the rest

    def _hit(self, now: float, within: float, count: int) -> bool:
        self._hits.append(now)
        return len(self._hits) == count and now - self._hits[0] <= within


def _condition(key: str, value: Any) -> Check:
    field, *modifiers = key.split("|")
    if field not in FIELDS:
        near = get_close_matches(field, FIELDS, 1)
        raise ConfigError(
            f"detect: unknown field {field!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
    negate = "not" in modifiers
    every = "all" in modifiers
    kind = _one_kind(field, [m for m in modifiers if m not in ("not", "all")])
    tests = [_test(field, kind, each) for each in (value if isinstance(value, list | tuple) else [value])]
    if not tests:
        raise ConfigError(f"detect: {field}: the list of values is empty")
    return _closure(field, tests, every, negate)


def _closure(field: str, tests: list[_Test], every: bool, negate: bool) -> Check:
    combine: Callable[[Iterable[bool]], bool] = all if every else any

    def check(event: Mapping[str, Any]) -> bool:
        given = event.get(field)
        values = given if isinstance(given, tuple | list) else (given,)
        return combine(any(test(each) for each in values) for test in tests) is not negate

    return check


def _one_kind(field: str, modifiers: list[str]) -> str:
    if len(modifiers) > 1:
        raise ConfigError(f"detect: {field}: {modifiers[0]!r} and {modifiers[1]!r} exclude each other")
    kind = modifiers[0] if modifiers else "is"
    if kind not in _TESTS:
        raise ConfigError(f"detect: {field}: unknown modifier {kind!r}; there are {', '.join(_MODIFIERS)}")
    return kind


def _test(field: str, kind: str, value: Any) -> _Test:
    try:
        return _TESTS[kind](value)
    except (ValueError, TypeError, re.error) as error:
        raise ConfigError(f"detect: {field}|{kind}: {value!r} is no value for it ({error})") from error


def _is(value: Any) -> _Test:
    if isinstance(value, Mapping):
        raise TypeError("a table")
    return lambda given: given == value and isinstance(given, bool) == isinstance(value, bool)


def _textual(match: Callable[[str, str], bool]) -> Callable[[Any], _Test]:
    def make(value: Any) -> _Test:
        wanted = _text(value)
        return lambda given: given is not None and match(str(given), wanted)

    return make


def _pattern(source: str, search: bool) -> _Test:
    compiled = re.compile(source, re.DOTALL)
    run = compiled.search if search else compiled.match
    return lambda given: given is not None and run(str(given)[:_LONGEST]) is not None


def _glob(value: Any) -> _Test:
    return _pattern(translate(_text(value)), search=False)


def _re(value: Any) -> _Test:
    return _pattern(_text(value), search=True)


def _cidr(value: Any) -> _Test:
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 -- 5 ms that a run without such a rule need not pay

    network = ip_network(_text(value))

    def inside(given: Any) -> bool:
        try:
            address = ip_address(str(given))
        except ValueError:
            return False
        return (getattr(address, "ipv4_mapped", None) or address) in network

    return inside


def _ordered(less: bool) -> Callable[[Any], _Test]:
    def make(value: Any) -> _Test:
        bound = _number(value)
        return lambda given: _is_number(given) and (given < bound if less else given > bound)

    return make


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float:
    if not _is_number(value):
        raise TypeError("a number is needed")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text is needed")
    return value


_TESTS: dict[str, Callable[[Any], _Test]] = {
    "is": _is,
    "in": _is,
    "contains": _textual(lambda given, wanted: wanted in given),
    "startswith": _textual(str.startswith),
    "endswith": _textual(str.endswith),
    "glob": _glob,
    "re": _re,
    "cidr": _cidr,
    "lt": _ordered(less=True),
    "gt": _ordered(less=False),
}
_MODIFIERS = (*(kind for kind in _TESTS if kind != "is"), "all", "not")


def _steps(given: Any) -> list[Check]:
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError("sequence: `steps` must be a list of conditions")
    return [compile_detect(step) for step in given]


def _seconds(given: Any) -> float:
    if _is_number(given) and given > 0:
        return float(given)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", given) if isinstance(given, str) else None
    if found is None or float(found[1]) <= 0:
        raise ConfigError(f"sequence: within: {given!r} is no time such as 10s")
    return float(found[1]) * _UNITS[found[2]]


def _choice(key: str, given: Any, allowed: tuple[str, ...]) -> str:
    if given not in allowed:
        raise ConfigError(f"sequence: {key}: {given!r} is none of {', '.join(allowed)}")
    return str(given)


def _positive(key: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ConfigError(f"sequence: {key}: {given!r} is no count")
    return given
