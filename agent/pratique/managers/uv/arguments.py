"""uv's command line, read the way uv reads it."""

from collections.abc import Iterator, Sequence

from pratique.managers.matching import target_end
from pratique.managers.pip.arguments import Arguments
from pratique.managers.uv.facts import facts


def after_uv(argv: Sequence[str]) -> Sequence[str]:
    """The words after uv's own name: from its general options on."""
    end = target_end(argv, facts().pattern)
    return argv[end:] if end is not None else ()


def parse(words: Sequence[str]) -> Arguments:
    """Options anywhere; the verb is one word or two; after `run`, the first other word begins a command."""
    options: list[tuple[str, str]] = []
    rest: list[str] = []
    queue = list(words)
    while queue and not _is_command(rest):
        word = queue.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
        else:
            options += _long(word, queue, rest) if word.startswith("--") else _cluster(word, queue, rest)
    verb = _verb(rest)
    return Arguments(verb, tuple(options), (*rest[len(verb.split()) :], *queue))


def _verb(rest: Sequence[str]) -> str:
    return " ".join(rest[: 2 if rest[:1] and rest[0] in facts().groups else 1])


def _is_command(rest: Sequence[str]) -> bool:
    verb = _verb(rest)
    return verb in facts().commands and len(rest) > len(verb.split())


def _takes_value(option: str, rest: Sequence[str]) -> bool:
    return option in facts().values or (bool(rest) and rest[0] in facts().only.get(option, ()))


def _long(word: str, queue: list[str], rest: Sequence[str]) -> Iterator[tuple[str, str]]:
    name, given, value = word.partition("=")
    if not given and _takes_value(name, rest) and queue:
        value = queue.pop(0)
    yield facts().names.get(name, name), value


def _cluster(word: str, queue: list[str], rest: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, letter in enumerate(word[1:], start=2):
        name = facts().names.get(f"-{letter}", f"-{letter}")
        if _takes_value(f"-{letter}", rest):
            yield name, word[index:].removeprefix("=") or (queue.pop(0) if queue else "")
            return
        yield name, ""
