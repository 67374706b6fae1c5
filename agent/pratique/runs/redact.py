"""Keep secrets out of every output (docs/policy.md section 7): what is hidden is replaced by `***`.

A missed secret is a leak, a hidden plain word only a nuisance: names decide generously, values strictly.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

HIDDEN = "***"
_LONG = 20
_LONGEST = 16_384

_SECRET_NAME = re.compile(
    r"(?i)token|secret|passw|passphrase|pwd|passwd|api[-_.]?key|apikey|access[-_.]?key|private[-_.]?key"
    r"|signing[-_.]?key|encryption[-_.]?key|account[-_.]?key|auth(?!or)|bearer|credential|cookie|session[-_.]?(?:id|key)"
    r"|(?:^|[-_.])(?:pass|pin|otp|jwt|sas|sig|signature)$|_key$"
)
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://)([^\s'\"<>|;]+)")
_KNOWN = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|npm_[A-Za-z0-9]{24,}|pypi-[\w-]{16,}"
    r"|(?:AKIA|ASIA|AGPA|AROA)[A-Z0-9]{12,}|xox[abeoprs]-[\w-]{8,}|sk-[\w-]{16,}|[rs]k_(?:live|test)_\w{8,}"
    r"|AIza[\w-]{24,}|ya29\.[\w.-]{16,}|hf_[A-Za-z0-9]{16,}|hvs\.[\w-]{16,}|dop_v1_\w{16,}|dckr_pat_[\w-]{16,}"
    r"|shp(?:at|ss|ca)_\w{16,}|SG\.[\w-]{16,}\.[\w-]{16,}|AGE-SECRET-KEY-\w+|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^\s'\"&;|,]+)"
# Looked for backwards from each `=` or `:`; from every letter on it would be quadratic in long paths.
_NAME_BEFORE = re.compile(r"([\w.@/-]{1,120})[\"']?\s?\Z")
_ASSIGNS = re.compile(r"[=:]\s?")
_BEFORE = 122
_WORTH = re.compile(_VALUE)
_SCHEME = re.compile(
    r"(?i)\b((?:proxy-)?authorization[\"']?\s*[:=]\s*|\b(?:bearer|basic)\s+)([\"']?)([^\s'\"]+(?:\s+[^\s'\"]+)?)"
)
_SPACED_FLAG = re.compile(rf"((?<!\S)--?[A-Za-z][\w.-]*)(\s+)({_VALUE})")
_WORD = re.compile(r"[A-Za-z0-9+_=-]{20,512}")
_PASSWORD_LETTERS = {
    "sshpass": "-p",
    "mysql": "-p",
    "mysqldump": "-p",
    "curl": "-u",
    "wget": "-u",
    "smbclient": "-U",
}


def secret_name(name: str) -> bool:
    """Whether a variable, option or key of this name holds something to hide."""
    return _SECRET_NAME.search(name) is not None


def environment_names(names: Iterable[str]) -> list[str]:
    """The secret-named ones, sorted; values are never taken."""
    return sorted(name for name in names if secret_name(name))


def text(value: str) -> str:
    """Text with URL user info, query values, known tokens, random words and secret values hidden."""
    value = _PEM.sub(HIDDEN, _cut_short(value))
    value = _URL.sub(_hide_in_url, value)
    value = _SCHEME.sub(rf"\1\2{HIDDEN}", value)
    value = _SPACED_FLAG.sub(_hide_flag_value, value)
    value = _hide_assigned(value)
    value = _KNOWN.sub(HIDDEN, value)
    return _WORD.sub(lambda found: HIDDEN if _random(found[0]) else found[0], value)


def argv(words: Iterable[str]) -> list[str]:
    """A command line for an output: each word redacted, and the word after a secret-named option hidden."""
    given = list(words)
    letter = _PASSWORD_LETTERS.get(given[0].rsplit("/", 1)[-1]) if given else None
    return [_word(word, given[index - 1] if index else "", letter) for index, word in enumerate(given)]


def url(value: str) -> str:
    """A URL without user info, query values and fragment values."""
    return text(value)


def path(value: str) -> str:
    """A path: long names are ordinary there, so only known tokens and URLs are hidden."""
    return _KNOWN.sub(HIDDEN, _URL.sub(_hide_in_url, _cut_short(value)))


def everything(value: Any) -> Any:
    """The last sieve over a finished report: known tokens and URL secrets, wherever they slipped in."""
    if isinstance(value, str):
        return _KNOWN.sub(HIDDEN, _PEM.sub(HIDDEN, _URL.sub(_hide_in_url, _cut_short(value))))
    if isinstance(value, dict):
        return {everything(key): everything(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [everything(item) for item in value]
    return value


def _cut_short(value: str) -> str:
    """Hostile text could make the patterns work for minutes; nobody reads past the first pages."""
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"


def _word(word: str, before: str, letter: str | None) -> str:
    if before.startswith("-") and "=" not in before and not word.startswith("--") and secret_name(before):
        return HIDDEN
    if letter is not None and before == letter:
        return HIDDEN
    if letter == "-p" and word.startswith("-p") and len(word) > len("-p"):
        return f"-p{HIDDEN}"
    return text(word)


def _hide_in_url(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    authority, slash, tail = _cut(rest)
    if "@" in authority:
        authority = f"{HIDDEN}@{authority.rsplit('@', 1)[1]}"
    return scheme + authority + slash + re.sub(r"[?#].*", _hide_query, tail, count=1)


def _cut(rest: str) -> tuple[str, str, str]:
    for index, char in enumerate(rest):
        if char in "/?#\\":
            return rest[:index], "", rest[index:]
    return rest, "", ""


def _hide_query(found: re.Match[str]) -> str:
    pairs = re.split(r"([?&#;])", found[0])
    return "".join(part if part in {"?", "&", "#", ";"} else _hide_pair(part) for part in pairs)


def _hide_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    if not equals:
        return HIDDEN if len(pair) >= _LONG else pair
    return f"{name}={HIDDEN}"


def _hide_flag_value(found: re.Match[str]) -> str:
    if secret_name(found[1]) and not found[3].startswith("-"):
        return f"{found[1]}{found[2]}{HIDDEN}"
    return found[0]


def _hide_assigned(value: str) -> str:
    """Only a secret name takes its value along: in `--//host/:_authToken=x` the name is the last one."""
    kept, end, behind = [], 0, 0
    for sign in _ASSIGNS.finditer(value):
        begin = max(behind, sign.start() - _BEFORE)
        name = _NAME_BEFORE.search(value[begin : sign.start()])
        if name is None:
            continue
        behind = sign.end()
        free = begin + name.start() >= end
        secret = _WORTH.match(value, sign.end()) if free and secret_name(name[1]) else None
        if secret is not None and not secret[0].startswith("//"):
            kept += [value[end : sign.end()], HIDDEN]
            end = secret.end()
    return "".join([*kept, value[end:]])


def _random(word: str) -> bool:
    """Mixed case and digits that change class too often for words, with the entropy of random base64.

    Hexadecimal digests and integrity strings are evidence, not secrets, and stay.
    """
    if re.match(r"sha(?:1|256|384|512)[-=]", word) or not _mixed(word):
        return False
    changes = sum(_class(a) != _class(b) for a, b in pairwise(word))
    return changes >= 0.36 * len(word) and _entropy(word) >= min(3.6, math.log2(len(word)) * 0.8)


def _mixed(word: str) -> bool:
    return (
        any(c.islower() for c in word) and any(c.isupper() for c in word) and any(c.isdigit() for c in word)
    )


def _class(char: str) -> int:
    if char.isdigit():
        return 0
    return 1 if char.islower() else 2 if char.isupper() else 3


def _entropy(word: str) -> float:
    total = len(word)
    return -sum(n / total * math.log2(n / total) for n in Counter(word).values())
