"""Two reports of one run as one: a daemon ended or was restarted while the run went on, and another saw the rest.

What happened was told to one of the two only, so sums add up; a finding of both was tried as often as both saw it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pratique.runs import findings
from pratique.runs.report import DONE, ROWS
from pratique.runs.verdict import FOUND
from pratique.words import Stage, Verdict

Json = dict[str, Any]

_DONE = tuple(DONE.values())
_STAGES = Stage.words()
_VERDICTS = (Verdict.CLEAN, Verdict.FINDINGS, Verdict.BLOCKED, Verdict.BLOCKED)
_CALLS_FOR_STATUS = {"audit": Verdict.FINDINGS, "deny": Verdict.BLOCKED}


def joined(first: Json, then: Json) -> Json:
    """What both tell. Of what can be said only once, how it ended and by which policy, the later one has the word."""
    found = _findings(first["findings"], then["findings"], then["run"]["id"])
    tree, shared = _tree(first["tree"], then["tree"])
    return {
        **then,
        "run": _run(first["run"], then["run"], found),
        "coverage": then["coverage"] or first["coverage"],
        "packages": _packages([*first["packages"], *then["packages"]], found),
        "installed": _once([*first["installed"], *then["installed"]]),
        "findings": found[: findings.MOST],
        "egress": _egress([*first["egress"], *then["egress"]]),
        "counts": _counts(first["counts"], then["counts"], shared, len(tree), len(found)),
        "tree": tree,
    }


def _run(first: Json, then: Json, found: Sequence[Json]) -> Json:
    worst = max((_VERDICTS[_DONE.index(each["action"])] for each in found), default=Verdict.CLEAN)
    threshold = _CALLS_FOR_STATUS.get(then["fail_on"])
    fails = not then["pratique_status"] and threshold is not None and worst >= threshold
    return {
        **then,
        **{key: first[key] for key in ("command", "cwd", "user", "host", "added_seconds")},
        **{key: first[key] or then[key] for key in ("description", "manager", "guard_lost")},
        **{key: bool(first[key] or then[key]) for key in ("incomplete", "judged")},
        **{key: _once([*first[key], *then[key]]) for key in ("environment", "hosts", "notes")},
        "started": min(first["started"], then["started"]),
        "pratique_status": FOUND if fails else then["pratique_status"],
        "verdict": worst.word,
        "lost_events": first["lost_events"] + then["lost_events"],
    }


def _findings(first: Iterable[Json], then: Iterable[Json], run: str) -> list[Json]:
    known = {_object(each): each for each in first}
    for each in then:
        key = _object(each)
        number = f"{run}-{len(known) + 1:04d}"
        known[key] = _tried_again(known[key], each) if key in known else {**each, "id": number}
    return list(known.values())


def _object(found: Json) -> tuple[object, ...]:
    """By what a run knows one finding from another."""
    target = tuple(str(found["target"].get(key)) for key in findings.KEYS)
    origin = (found["origin"] or {}).get("pid")
    return (found["rule"], found["act"], found["stage"], found["package"], origin, *target)


def _tried_again(first: Json, then: Json) -> Json:
    stronger = then if _DONE.index(then["action"]) > _DONE.index(first["action"]) else first
    return {
        **first,
        **{key: stronger[key] for key in ("action", "would", "level")},
        "count": first["count"] + then["count"],
        "source": first["source"] or then["source"],
    }


def _packages(each: Iterable[Json], found: Sequence[Json]) -> list[Json]:
    known: dict[tuple[object, ...], Json] = {}
    for package in each:
        key = (*_whose(package, "purl"), tuple(package["digests"]))
        known[key] = _package(known[key], package) if key in known else package
    return [{**package, "findings": _blamed(package, found)} for package in known.values()]


def _package(first: Json, then: Json) -> Json:
    return {
        **then,
        "source": then["source"] or first["source"],
        "stages": sorted({*first["stages"], *then["stages"]}, key=_STAGES.index),
        "direct": first["direct"] if then["direct"] is None else then["direct"],
        "requested": _once([*first["requested"], *then["requested"]]),
        "events": first["events"] + then["events"],
        "origins": sorted({*first["origins"], *then["origins"]}),
    }


def _blamed(package: Json, found: Sequence[Json]) -> int:
    return sum(_whose(each, "package") == _whose(package, "purl") for each in found)


def _whose(item: Json, name: str) -> tuple[object, ...]:
    return item[name], item["identity"], tuple(item["candidates"])


def _egress(each: Iterable[Json]) -> list[Json]:
    known: dict[tuple[object, ...], Json] = {}
    for peer in each:
        key = tuple(value for name, value in peer.items() if name != "count")
        known[key] = {**peer, "count": peer["count"] + (known[key]["count"] if key in known else 0)}
    return list(known.values())


def _counts(first: Json, then: Json, shared: int, shown: int, found: int) -> Json:
    """`shared`: processes that both count, and that the later one counts as executed when it takes them over."""
    plain = {key: value for key, value in (*first.items(), *then.items()) if isinstance(value, int)}
    summed = {key: first.get(key, 0) + then.get(key, 0) for key in plain}
    actors = (first["connect_by_actor"], then["connect_by_actor"])
    return {
        **summed,
        **({"exec": summed["exec"] - shared} if "exec" in summed else {}),
        "connect_by_actor": {
            actor: sum(each.get(actor, 0) for each in actors) for actor in actors[0] | actors[1]
        },
        "processes": summed["processes"] - shared,
        "processes_shown": shown,
        "findings_omitted": summed["findings_omitted"] + max(0, found - findings.MOST),
    }


def _tree(first: Sequence[Json], then: Sequence[Json]) -> tuple[list[Json], int]:
    """Processes of both, and how many of them both have: those that the first one left alive."""
    nodes = {node["id"]: node for node in first}
    alive = {node["pid"]: node["id"] for node in first if node["ended"] is None}
    numbers: dict[int, int] = {}
    shared = 0
    for node in then:
        known = alive.pop(node["pid"], None)
        shared += known is not None
        number = numbers[node["id"]] = known or max(nodes, default=0) + 1
        parent = numbers.get(node["parent"])
        nodes[number] = _went_on(nodes[number], node) if known else {**node, "id": number, "parent": parent}
    return list(nodes.values())[:ROWS], shared


def _went_on(first: Json, then: Json) -> Json:
    image = then if then["exe"] is not None else first
    return {
        **then,
        **{key: first[key] for key in ("id", "parent", "started")},
        **{key: image[key] for key in ("exe", "argv")},
        "finding": first["finding"] or then["finding"],
    }


def _once(each: Iterable[Any]) -> list[Any]:
    """In their order, each once."""
    kept: dict[str, Any] = {}
    for item in each:
        kept.setdefault(repr(item), item)
    return list(kept.values())
