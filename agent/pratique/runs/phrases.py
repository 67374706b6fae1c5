"""The words in which a report speaks to people, shared by the terminal and the page.

All of it is plain text: whoever prints it escapes it.
"""

import os
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

Json = dict[str, Any]

VERBS = {
    "file.read": "read", "file.write": "write", "file.create": "create", "file.link": "link",
    "file.rename": "rename", "file.remove": "remove", "file.truncate": "truncate", "file.setattr": "chmod",
    "net.connect": "connect", "net.listen": "listen", "net.dns": "look up", "ipc.connect": "connect",
    "proc.memory": "memory", "proc.signal": "signal", "kernel.bpf": "bpf", "ns.enter": "unshare",
    "exec.map": "map",
}  # fmt: skip
_LONG_PATH = 24
_TECHNIQUES = 4
_WHO = {
    "command": "the command itself",
    "manager": "the package manager itself",
    "mixed": "the package manager itself, with code of others in it",
    "helper": "a helper of the package manager",
    "project": "the project's own scripts",
}
_ECOSYSTEM_VERB = {"npm": "npm uninstall", "pypi": "pip uninstall"}
_VERDICTS = {"blocked": "BLOCKED", "findings": "FINDINGS", "clean": "clean"}
_WORST = {"killed": 0, "denied": 0, "audited": 1}


class Group(NamedTuple):
    """The findings of one package (or of one other actor), and what is known of it."""

    title: str
    remarks: tuple[str, ...]
    findings: tuple[Json, ...]


def groups(report: Json) -> list[Group]:
    """Findings by package, the worst first."""
    sorted_out: dict[tuple[object, ...], list[Json]] = {}
    for finding in report["findings"]:
        known = (finding["package"], finding["identity"], tuple(finding["candidates"]))
        key = known if finding["actor"] == "package" else (finding["actor"], *known)
        sorted_out.setdefault(key, []).append(finding)
    found = [_group(report, findings) for findings in sorted_out.values()]
    return sorted(found, key=lambda group: min(_WORST[finding["action"]] for finding in group.findings))


def verb(finding: Json) -> str:
    """One word for the act."""
    return VERBS.get(finding["act"], str(finding["act"]))


def target(finding: Json, homes: Sequence[str] = ()) -> str:
    """The object acted on, as people write it."""
    of = finding["target"]
    if of.get("path"):
        shown = home_as_tilde(str(of["path"]), homes)
        return f"{shown} → {home_as_tilde(str(of['to']), homes)}" if of.get("to") else shown
    if of.get("address"):
        return endpoint(of, str(finding["act"]))
    for key in ("name", "exe", "request", "pid"):
        if of.get(key) is not None:
            return home_as_tilde(str(of[key]), homes)
    return "(object not recorded)"


def endpoint(of: Json, act: str) -> str:
    """`address:port`, IPv6 in brackets, with the name it was asked by if known; of a question its name alone."""
    if act == "net.dns" and of.get("name"):
        return str(of["name"])
    address = f"[{of['address']}]" if ":" in str(of["address"]) else str(of["address"])
    spot = address if of.get("port") is None else f"{address}:{of['port']}"
    return f"{spot} ({of['name']})" if of.get("name") else spot


def done(finding: Json) -> str:
    """What was done, and the whole truth of a kill."""
    if finding["action"] == "audited" and finding["would"]:
        return f"audited, would be {finding['would']}"
    if finding["level"] == "killed-before":
        return "killed before it happened"
    if finding["level"] == "killed-after":
        return "happened, then killed"
    return str(finding["action"])


def reason(finding: Json) -> str:
    """The groups the object belongs to, or else the rule; and how often it was tried."""
    words = ", ".join(finding["groups"]) or str(finding["title"])
    return f"{words}  ×{finding['count']}" if finding["count"] > 1 else words


def package(purl: str) -> str:
    """`name@version` as its users write it."""
    body = purl.removeprefix("pkg:").partition("/")[2] or purl
    return unquote(body.partition("?")[0].partition("#")[0])


def who(finding: Json) -> str:
    """Who acted: the package, its candidates, or another actor."""
    if finding["actor"] in _WHO:
        return _WHO[finding["actor"]]
    if finding["package"]:
        return package(finding["package"])
    if finding["candidates"]:
        return f"one of {', '.join(package(each) for each in finding['candidates'])}"
    return "a package that could not be named"


def how(finding: Json, manager: str | None = None) -> list[str]:
    """The processes from the manager (or the start) to the one that acted, equal neighbours joined."""
    line = list(finding["process"]["ancestry"])
    managers = [index for index, each in enumerate(line) if each["actor"] in ("manager", "mixed")]
    line = line[managers[0] :] if managers else line[-3:]
    chain = [(each["pid"], command(each, folders=False)) for each in [*line, finding["process"]]]
    if managers and manager:
        chain[0] = (chain[0][0], manager)
    return [
        f"{said} ({pid})"
        for index, (pid, said) in enumerate(chain)
        if index == 0 or said != chain[index - 1][1]
    ]


def command(process: Json, longest: int = 100, folders: bool = True) -> str:
    """A command line as typed, without the path of its program; cut where it gets long.

    Without `folders`, words that are long paths lose theirs: the reader of a chain looks for the file.
    """
    words = [str(word) for word in process["argv"] or [process["exe"] or "?"]]
    words[0] = os.path.basename(words[0]) or words[0]  # noqa: PTH119 -- not a path of this host's kind, only text
    said = (
        " ".join(shlex.quote(word) if folders else _short(word) for word in words) if words[1:] else words[0]
    )
    return said if len(said) <= longest else f"{said[:longest]}…"


def _short(word: str) -> str:
    if not word.startswith("/") or len(word) <= _LONG_PATH:
        return shlex.quote(word)
    return f"…/{shlex.quote(word.rstrip('/').rpartition('/')[2])}"


def permission(finding: Json) -> str | None:
    """The `[[allow]]` stanza for a finding; None where no allow can match."""
    stanza = finding["allow"]
    return stanza if stanza and not stanza.startswith("#") else None


def why(findings: Iterable[Json]) -> str:
    """What the rules explain, each once, and the first techniques they stand for; the report has them all."""
    explained: dict[str, None] = {}
    techniques: dict[str, None] = {}
    for finding in findings:
        if finding["explain"]:
            explained[str(finding["explain"])] = None
        techniques |= dict.fromkeys(str(each) for each in finding["techniques"])
    said = " ".join(explained)
    named, more = list(techniques)[:_TECHNIQUES], len(techniques) - _TECHNIQUES
    named += [f"{more} more"] if more > 0 else []
    return f"{said} ({', '.join(named)})" if techniques else said


def headline(report: Json) -> tuple[str, str]:
    """The verdict in a word or two, and what was run."""
    run = report["run"]
    word = _VERDICTS[run["verdict"]]
    if word == "clean" and not run["judged"]:
        word = "nothing judged"
    return word, run["description"] or command({"argv": run["command"], "exe": None})


def facts(report: Json) -> list[str]:
    """What is said of every run: counts, who guarded, and what it took."""
    run = report["run"]
    added = run["added_seconds"]
    said = [counted(report), str(run["backend"])]
    return said + ([f"{added:.1f} s added"] if added is not None else [])


def what_ran(report: Json) -> str:
    """How many packages ran code, by stage."""
    ran = report["packages"]
    if not ran:
        return "no package code ran"
    stages: dict[str, int] = {}
    for each in ran:
        for stage in each["stages"]:
            stages[stage] = stages.get(stage, 0) + 1
    parts = ", ".join(f"{number} in {stage}" for stage, number in stages.items())
    return f"{plural(len(ran), 'package')} ran code ({parts})"


def counted(report: Json) -> str:
    """Exact numbers of execs and connects, and who made the connects."""
    counts = report["counts"]
    connects = int(counts.get("connect", 0))
    execs = plural(int(counts.get("exec", 0)), "exec")
    return f"{execs}, {plural(connects, 'connect')}{_by_whom(counts, connects)}"


def uninstall(report: Json) -> str | None:
    """The command that removes a blocked package, where the user named it and it was installed."""
    if report["run"]["exit_status"] != 0:
        return None
    for entry in report["packages"]:
        if entry["findings"] and entry["direct"] and entry["identity"] == "verified":
            kind = str(entry["purl"]).removeprefix("pkg:").partition("/")[0]
            name = package(str(entry["purl"])).rpartition("@")[0]
            if kind in _ECOSYSTEM_VERB and _plain(name):
                return f"{_ECOSYSTEM_VERB[kind]} {name}"
    return None


def covered(report: Json) -> tuple[str, list[str]]:
    """`14 of 17 acts enforced here`, and what is not covered, in words."""
    rows = report["coverage"]
    enforced = sum(row["level"] == "enforced" for row in rows)
    gaps = [
        f"{row['act']} ({row['when']})" if row["when"] else str(row["act"])
        for row in rows
        if row["level"] == "blind"
    ]
    parts = [f"{enforced} of {len(rows)} kinds of act enforced here"]
    for level, words in (
        ("killed-before", "killed before the act"),
        ("killed-after", "killed after the act"),
    ):
        number = sum(row["level"] == level for row in rows)
        parts += [f"{number} {words}"] if number else []
    seen = sum(row["level"] == "seen" for row in rows)
    return ", ".join(parts + ([f"{seen} only seen"] if seen else [])), gaps


def marks(report: Json) -> list[str]:
    """What a reader must know before trusting the verdict."""
    run = report["run"]
    found = []
    if run["guard_lost"]:
        found.append(f"the guard was lost in mid-run and the command was ended: {run['guard_lost']}")
    if run["lost_events"]:
        found.append(f"{plural(run['lost_events'], 'event')} lost: this report is incomplete")
    if not run["judged"]:
        found.append("no package manager was recognised in this command, so nothing was judged")
    if run["survivors"]:
        found.append(f"still running after the command and ended: {', '.join(map(str, run['survivors']))}")
    if report["counts"].get("findings_omitted"):
        found.append(f"{report['counts']['findings_omitted']} further findings are only counted")
    return found + [str(note) for note in run["notes"]]


def plural(number: int, noun: str) -> str:
    """`1 exec`, `2 execs`, `2 processes`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{ending}"


def home_as_tilde(path: str, homes: Sequence[str]) -> str:
    """The path with the reader's home as `~`."""
    for home in homes:
        if home and home != "/" and (path == home or path.startswith(f"{home}/")):
            return f"~{path[len(home) :]}"
    return path


def _group(report: Json, findings: list[Json]) -> Group:
    first = findings[0]
    remarks = []
    if first["actor"] == "package":
        stages = dict.fromkeys(str(finding["stage"]) for finding in findings)
        remarks = [", ".join(stages), *_standing(report, first)]
    return Group(who(first), tuple(remarks), tuple(findings))


def _standing(report: Json, finding: Json) -> list[str]:
    """What is known of how the package came here, and how sure its name is."""
    found = []
    if finding["package"] and finding["identity"] != "verified":
        found.append(f"the name is only {finding['identity']}")
    entry = next((each for each in report["packages"] if each["purl"] == finding["package"]), None)
    if finding["package"] and entry and entry["direct"] is False:
        asked = entry["requested"]
        by = (
            f": pulled in by {'one of ' if len(asked) > 1 else ''}{', '.join(asked)}"
            if asked
            else ": pulled in"
        )
        found.append(f"not a package you named{by}")
    return found


def _by_whom(counts: Json, connects: int) -> str:
    """Who connected; silent where our own count is not the whole."""
    by_actor = counts.get("connect_by_actor", {})
    if not connects or sum(by_actor.values()) != connects:
        return ""
    if len(by_actor) == 1:
        return f" ({next(iter(by_actor))} only)"
    return f" ({', '.join(f'{number} {actor}' for actor, number in by_actor.items())})"


def _plain(name: str) -> bool:
    """A name that is safe to paste into a shell."""
    return (
        bool(name)
        and not name.startswith("-")
        and all(c.isascii() and (c.isalnum() or c in "@._/-") for c in name)
    )
