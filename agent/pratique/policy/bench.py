"""A directory of rules on the test bench: every mistake at once, and every sample tried."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pratique.errors import ConfigError
from pratique.policy.compile import compile_policy
from pratique.policy.documents import RuleShape
from pratique.policy.expand import expand
from pratique.policy.load import Document
from pratique.policy.model import Group, Rule
from pratique.policy.samples import Outcome, try_samples
from pratique.policy.shipped import owners_allows, read_shipped
from pratique.policy.sources import Text


@dataclass(slots=True)
class Bench:
    """The rules that could be read, and what is wrong with the others."""

    rules: list[tuple[RuleShape, Rule, Document]] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    def outcomes(self, shape: RuleShape, rule: Rule, document: Document) -> list[Outcome]:
        """Every sample of the rule, tried."""
        return list(try_samples(shape, rule, document, self.groups))


def lay_out(texts: Sequence[Text]) -> Bench:
    """Read each file by itself, so that one mistake does not hide the next."""
    bench = Bench()
    rules = [text for text in texts if text.path.count("/") == 1]
    data = [text for text in texts if text not in rules]
    good = [text for text in data if _reads(bench, [text])]
    bench.groups = read_shipped(good).groups if _reads(bench, good) else {}
    for text in rules:
        _lay_rule(bench, text)
    if not bench.problems:
        _check_whole(bench, texts)
    return bench


def _reads(bench: Bench, texts: Sequence[Text]) -> bool:
    try:
        read_shipped(texts)
    except ConfigError as error:
        bench.problems.append(error)
        return False
    return True


def _lay_rule(bench: Bench, text: Text) -> None:
    try:
        for shape, document in read_shipped([text]).rules:
            rule = expand(shape, document, bench.groups)
            bench.rules.append((shape, rule, document))
            bench.problems += [
                ConfigError(f"{outcome.where}: rule {rule.id}: a {outcome.kind} sample {outcome.failure}")
                for outcome in bench.outcomes(shape, rule, document)
                if outcome.failure
            ]
    except ConfigError as error:
        bench.problems.append(error)


def _check_whole(bench: Bench, texts: Sequence[Text]) -> None:
    """What shows only when all files stand together: repeated ids, owners' groups, each profile."""
    try:
        shipped = read_shipped(texts)
        owners_allows(shipped)
        for profile in shipped.profiles:
            compile_policy(texts, profile)
    except ConfigError as error:
        bench.problems.append(error)
