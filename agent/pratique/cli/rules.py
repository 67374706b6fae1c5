"""`pratique rules`: list, check, test and explain the rules."""

import argparse
import shutil
import sys
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from pratique.errors import ConfigError

if TYPE_CHECKING:  # the compiler's modules are heavy, and every `pratique` command imports this one
    from pratique.policy import bench
    from pratique.policy.documents import RuleShape
    from pratique.policy.load import Document
    from pratique.policy.model import Group, Row, Rule

_WRONG_DATA = 65


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `pratique rules list|check|test|explain`."""
    parser = subparsers.add_parser("rules", help="list, check, test and explain the rules")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, what in _WHAT.items():
        sub = verbs.add_parser(verb, help=what, description=what)
        sub.add_argument("--rules", metavar="DIR", help="another directory of rules than the shipped one")
        if verb in ("test", "explain"):
            sub.add_argument(
                "rule", metavar="RULE", nargs="?" if verb == "test" else None, help="id of a rule"
            )


_WHAT = {
    "list": "one line per rule",
    "check": "find every mistake in rules, groups, profiles and owners, and run all samples",
    "test": "run the samples that ride in the rules",
    "explain": "what a rule does, and how each backend enforces it",
}


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; 0, or 65 when rules are wrong."""
    from pratique.policy import bench, sources  # noqa: PLC0415  (imports the compiler, which no guarded start needs)

    texts = sources.shipped_texts(args.rules)
    laid = bench.lay_out(texts)
    verbs = {"list": _list, "check": _check, "test": _test, "explain": _explain}
    return verbs[args.verb](laid, args)


def _list(laid: "bench.Bench", _args: argparse.Namespace) -> int:
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
    longest = max((len(each.id) for _, each, _ in laid.rules), default=4)
    print(f"{'RULE':<{longest}}  {'SEVERITY':<8}  {'KIND':<8}  TITLE")
    for _, rule, _ in laid.rules:
        mark = "" if rule.maturity == "stable" else " (incubating)"
        line = f"{rule.id:<{longest}}  {rule.severity:<8}  {_kind(rule):<8}  {rule.title}{mark}"
        print(line if len(line) <= width else f"{line[: width - 1]}…")
    return _report(laid.problems)


def _check(laid: "bench.Bench", _args: argparse.Namespace) -> int:
    status = _report(laid.problems)
    if status == 0:
        samples = sum(len(shape.tests.match) + len(shape.tests.benign) for shape, _, _ in laid.rules)
        print(f"{len(laid.rules)} rules, {len(laid.groups)} groups, {samples} samples: no mistake found")
    return status


def _test(laid: "bench.Bench", args: argparse.Namespace) -> int:
    status = 0
    for shape, rule, document in _named(laid, args.rule):
        outcomes = laid.outcomes(shape, rule, document)
        failed = [outcome for outcome in outcomes if outcome.failure]
        kinds = [outcome.kind for outcome in outcomes]
        word = "FAILED" if failed else "ok"
        print(f"{word:<6}  {rule.id}  {kinds.count('match')} match, {kinds.count('benign')} benign")
        for outcome in failed:
            print(f"        {outcome.where}: a {outcome.kind} sample {outcome.failure}")
        status = _WRONG_DATA if failed else status
    return status or (_report(laid.problems) if args.rule is None else 0)


def _explain(laid: "bench.Bench", args: argparse.Namespace) -> int:
    for _, rule, _ in _named(laid, args.rule):
        print(f"{rule.id}: {rule.title}")
        print(f"{rule.severity}, {rule.maturity}{', locked: no allow overrides it' if rule.locked else ''}")
        print(f"{rule.source}   {', '.join(rule.techniques)}\n")
        print(_filled(rule.description), end="\n\n")
        print(_filled(f"Told to the user: {rule.explain}"), end="\n\n")
        _explain_rows(rule, laid.groups) if rule.rows else _explain_conditions(rule)
        print("False positives:")
        for each in rule.false_positives:
            print(textwrap.fill(each, 78, initial_indent="  - ", subsequent_indent="    "))
    return 0


def _explain_rows(rule: "Rule", groups: "dict[str, Group]") -> None:
    from pratique.policy import mechanisms  # noqa: PLC0415  (as in run)

    for action, lines in _summary(rule):
        print(textwrap.fill(f"{action}: {lines}", 78, subsequent_indent="    "))
    print("\nHow (pratique doctor proves what holds on this host):")
    pairs = {
        (row.act, groups[row.group].kind if row.group in groups else mechanisms.ANY): None
        for row in rule.rows
    }
    for backend in mechanisms.BACKENDS:
        print(f"  {backend}")
        for act, kind in pairs:
            how = mechanisms.lowerings(act, kind).get(backend, "not enforced")
            print(
                textwrap.fill(
                    f"{act.word} on {kind}: {how}", 78, initial_indent="    ", subsequent_indent="      "
                )
            )
    print()


def _summary(rule: "Rule") -> list[tuple[str, str]]:
    def key(row: "Row") -> tuple[str, ...]:
        actors = ", ".join(actor.word for actor in row.actors)
        stages = ", ".join(stage.word for stage in row.stages)
        tainted = {None: "", True: " after reading a secret", False: " before reading a secret"}[row.tainted]
        return (row.action.word, f"{actors} in {stages}{tainted}")

    found = []
    for (action, who), rows in groupby(sorted(rule.rows, key=key), key):
        held = list(rows)
        acts = dict.fromkeys(row.act.word for row in held)
        groups = dict.fromkeys("any object" if row.group == "*" else row.group for row in held)
        found.append((action, f"{who}: {', '.join(acts)} on {', '.join(groups)}"))
    return found


def _explain_conditions(rule: "Rule") -> None:
    sequence = rule.sequence or {}
    if sequence:
        count = f", the last {sequence['count']} times" if sequence["count"] > 1 else ""
        print(f"In this order within {sequence['within']}, by {sequence['by']}{count}:")
    else:
        print("When an event has all of:")
    for step in sequence.get("steps", [rule.detect]):
        print("\n".join(f"  {key}: {value}" for key, value in step.items()), end="\n\n")
    print("Judged by the agent after the fact, on every backend: a finding, never a refusal.\n")


def _named(laid: "bench.Bench", name: str | None) -> "list[tuple[RuleShape, Rule, Document]]":
    from pratique.policy import samples  # noqa: PLC0415  (as in run)

    found = [entry for entry in laid.rules if name in (None, entry[1].id)]
    if name is not None and not found:
        raise samples.no_rule([rule.id for _, rule, _ in laid.rules], name)
    return found


def _kind(rule: "Rule") -> str:
    return "enforce" if rule.rows else "detect" if rule.detect is not None else "sequence"


def _filled(text: str) -> str:
    return textwrap.fill(text, 78)


def _report(problems: list[ConfigError]) -> int:
    for problem in problems:
        print(f"pratique: {problem}", file=sys.stderr)
    return _WRONG_DATA if problems else 0
