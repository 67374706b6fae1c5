"""The report as one HTML file: no script, nothing loaded from anywhere, every string escaped.

`Markup` is the only text that goes out as it is; all else is made visible and escaped by `_text`.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from pratique.runs import phrases
from pratique.runs.escape import visible
from pratique.runs.phrases import Json

_STYLE = Path(__file__).with_name("report.css")
_DEEPEST = 14
_WORDS = {"blocked": "Blocked", "findings": "Findings", "clean": "Clean"}
_SHAPES = {"blocked": "✗", "findings": "!", "clean": "✓"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def page(report: Json) -> str:
    """The whole page."""
    style = _STYLE.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = [
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'),
        _tag("title", f"Pratique: {_WORDS[report['run']['verdict']]}: {_said(report)}"),
        Markup(f"<style>{style}</style>"),
    ]
    body = _tag("main", *_sections(report))
    return f'<!doctype html>\n<html lang="en">{_tag("head", *head)}{_tag("body", body)}</html>\n'


def _sections(report: Json) -> Iterable[Markup]:
    yield _verdict(report)
    yield _section("Findings", _findings(report), "No rule fired in this run.")
    yield _section("Packages that ran code", _packages(report), "No package code ran.")
    yield _section("Processes", _processes(report), "No process was recorded.")
    yield _section("Network", _network(report), "Nobody connected anywhere or asked for a name.")
    yield _section("This run", [_facts(report["run"])], "")
    yield _section("Coverage on this host", _coverage(report), "No coverage was recorded.")
    yield _section("Policy", _policy(report), "No policy file took part.")


def _verdict(report: Json) -> Markup:
    run = report["run"]
    word = run["verdict"]
    badges = [_tag("span", f"{_SHAPES[word]} {_WORDS[word]}", css=f"badge {word}")]
    if word == "clean" and not run["judged"]:
        badges = [_tag("span", "? Nothing judged", css="badge incomplete")]
    if run["incomplete"]:
        badges.append(_tag("span", "? Incomplete", css="badge incomplete"))
    return _tag(
        "header",
        _tag("p", "Pratique run ", _code(run["id"]), css="quiet"),
        _tag("div", *badges, css="badges"),
        _tag("h1", _said(report)),
        _tag("p", f"{phrases.what_ran(report)} · {phrases.counted(report)} · {run['backend']}", css="lead"),
        *(_tag("p", note, css="note") for note in phrases.marks(report)),
    )


def _facts(run: Json) -> Markup:
    facts = [
        ("Command", _code(phrases.command({"argv": run["command"], "exe": None}, longest=2000))),
        ("Directory", _code(run["cwd"])),
        ("Started", _time(run["started"])),
        ("Ended", _time(run["ended"])),
        ("Its status", _status(run)),
        ("Status returned", str(run["pratique_status"])),
        ("User on host", f"{run['user'] or 'unknown'} on {run['host'] or 'unknown'}"),
        ("Guard", f"{run['backend']}, profile {run['profile']}, mode {run['mode']}"),
        ("Secret-named variables", ", ".join(run["environment"]) or "none"),
        (
            "The manager's hosts",
            ", ".join(f"{each['host']} ({each['reason']})" for each in run["hosts"]) or "none",
        ),
        ("Versions", ", ".join(f"{name} {value}" for name, value in run["versions"].items())),
    ]
    return _tag(
        "dl", *(_tag("div", _tag("dt", name), _tag("dd", value)) for name, value in facts), css="facts"
    )


def _status(run: Json) -> str:
    if run["signal"] is not None:
        return f"ended by signal {run['signal']}"
    return "unknown" if run["exit_status"] is None else str(run["exit_status"])


def _findings(report: Json) -> list[Markup]:
    return [_group(group, report["run"]["manager"]) for group in phrases.groups(report)]


def _group(group: phrases.Group, manager: str | None) -> Markup:
    how = " → ".join(phrases.how(group.findings[0], manager))
    return _tag(
        "article",
        _tag("h3", group.title),
        _tag("p", " · ".join(group.remarks), css="quiet") if group.remarks else Markup(""),
        *(_finding(finding) for finding in group.findings),
        _tag("dl", _tag("div", _tag("dt", "How"), _tag("dd", _code(how))), css="facts"),
    )


def _finding(finding: Json) -> Markup:
    kind = "findings" if finding["action"] == "audited" else "blocked"
    summary = _tag(
        "summary",
        _tag("span", f"{_SHAPES[kind]} {phrases.done(finding)}", css=f"badge {kind}"),
        _tag("span", phrases.verb(finding), css="verb"),
        _code(phrases.target(finding)),
        _tag("span", phrases.reason(finding), css="quiet"),
    )
    facts = [
        ("Why", f"{finding['explain'] or finding['title']} {', '.join(finding['techniques'])}".strip()),
        ("Rule", f"{finding['rule']} ({finding['severity']})"),
        ("Stage, actor", f"{finding['stage']}, {finding['actor']}"),
        ("First at", _time(finding["time"])),
        (
            "Process",
            _code(f"{finding['process']['pid']}: {phrases.command(finding['process'], longest=2000)}"),
        ),
    ]
    listed = _tag(
        "dl", *(_tag("div", _tag("dt", name), _tag("dd", value)) for name, value in facts), css="facts"
    )
    stanza = _tag("pre", *_stanza(finding["allow"]), css="stanza") if finding["allow"] else Markup("")
    return _tag("details", summary, listed, stanza)


def _stanza(stanza: str) -> list[Markup]:
    """Line breaks of the stanza are ours; whatever else does not print is made visible."""
    return [Markup(f"{_text(line)}\n") for line in stanza.rstrip("\n").split("\n")]


def _packages(report: Json) -> list[Markup]:
    rows = [
        (
            _code(phrases.package(each["purl"])) if each["purl"] else _candidates(each),
            each["identity"],
            {True: "yes", False: "pulled in", None: "unknown"}[each["direct"]],
            ", ".join(each["stages"]),
            _code(each["source"] or "unknown"),
            each["events"],
            each["findings"],
        )
        for each in report["packages"]
    ]
    heads = ("Package", "Identity", "You named it", "Stage", "Source", "Events", "Findings")
    return _table(heads, rows)


def _candidates(package: Json) -> str:
    named = ", ".join(phrases.package(each) for each in package["candidates"])
    return f"one of {named}" if named else "could not be named"


def _processes(report: Json) -> list[Markup]:
    depths: dict[int, int] = {}
    rows = []
    for each in report["tree"]:
        depth = depths[each["id"]] = depths.get(each["parent"], -1) + 1
        rows.append(_process(each, min(depth, _DEEPEST)))
    if not rows:
        return []
    counts = report["counts"]
    omitted = counts["processes"] - len(rows)
    more = (
        [_tag("p", f"{phrases.plural(omitted, 'further process')} only counted.", css="quiet")]
        if omitted > 0
        else []
    )
    return [
        _tag(
            "details",
            _tag("summary", phrases.plural(counts["processes"], "process")),
            _tag("ol", *rows, css="tree"),
        ),
        *more,
    ]


def _process(each: Json, depth: int) -> Markup:
    said = phrases.command(each, longest=300) if each["argv"] else "(fork)"
    mark = [_tag("span", "! finding", css="badge findings")] if each["finding"] else []
    who = f"{each['actor']}, {each['stage']}"
    return _tag(
        "li",
        _tag("span", str(each["pid"]), css="pid"),
        _code(said),
        _tag("span", who, css="quiet"),
        *mark,
        css=f"d{depth}",
    )


def _network(report: Json) -> list[Markup]:
    rows = [
        (
            {"net.dns": "look up"}.get(each["act"], "connect"),
            _code(phrases.endpoint(each, each["act"]) if each["address"] else each["name"] or "unknown"),
            phrases.package(each["package"]) if each["package"] else each["actor"],
            each["action"],
            each["count"],
        )
        for each in report["egress"]
    ]
    return _table(("Act", "To", "By", "Answer", "Times"), rows)


def _coverage(report: Json) -> list[Markup]:
    rows = [
        (
            _code(row["act"]),
            row["when"],
            _tag("span", row["level"], css=f"level {row['level']}"),
            row["reason"],
        )
        for row in report["coverage"]
    ]
    return _table(("Act", "When", "Level", "How, or why not"), rows)


def _policy(report: Json) -> list[Markup]:
    policy = report["policy"]
    rows = [
        (
            _code(each["path"]),
            each["kind"],
            "yes" if each["trusted"] else "no: it could only narrow",
            _code(each["digest"]),
        )
        for each in policy["sources"]
    ]
    return [
        _tag("p", f"Profile {policy['profile']}, digest ", _code(policy["digest"])),
        *_table(("File", "Kind", "Trusted", "Digest"), rows),
    ]


def _section(title: str, parts: list[Markup], empty: str) -> Markup:
    return _tag("section", _tag("h2", title), *(parts or [_tag("p", empty, css="quiet")]))


def _table(heads: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> list[Markup]:
    if not rows:
        return []
    head = _tag("thead", _tag("tr", *map(_head, heads, rows[0])))
    body = _tag("tbody", *(_tag("tr", *map(_cell, heads, row)) for row in rows))
    return [_tag("div", _tag("table", head, body), css="wide")]


def _head(head: str, value: object) -> Markup:
    return _tag("th", head, css="number" if isinstance(value, int) else "")


def _cell(head: str, value: object) -> Markup:
    number = ' class="number"' if isinstance(value, int) else ""
    return Markup(f'<td data-head="{escape(head)}"{number}>{_text(value)}</td>')


def _said(report: Json) -> str:
    run = report["run"]
    return run["description"] or phrases.command({"argv": run["command"], "exe": None})


def _time(moment: str) -> Markup:
    return Markup(f'<time datetime="{_text(moment)}">{_text(moment)}</time>')


def _code(value: object) -> Markup:
    return _tag("code", str(value))


def _tag(name: str, *children: object, css: str = "") -> Markup:
    """An element; `css` is ours or one of our closed lists of words, and is escaped all the same."""
    attribute = f' class="{escape(css)}"' if css else ""
    return Markup(f"<{name}{attribute}>{''.join(map(_text, children))}</{name}>")


def _text(value: object) -> str:
    return value if isinstance(value, Markup) else escape(visible(str(value)))
