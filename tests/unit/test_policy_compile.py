"""Files in their order become one policy: who may widen, who may only narrow."""

import pytest

from pratique.errors import ConfigError
from pratique.policy import codec
from pratique.policy.compile import compile_policy
from pratique.policy.model import Policy
from pratique.policy.sources import Text, shipped_texts
from pratique.words import Act, Action, Actor, Stage

SHIPPED = shipped_texts()
ALLOW = '[[allow]]\npackage = "pkg:npm/x"\nreason = "r"\nread = ["~/.npmrc"]\n'


def compiled(*files: tuple[str, str], profile: str | None = None, trusted: bool = True) -> Policy:
    """The policy of the shipped rules and these (kind, TOML)."""
    texts = [
        Text(f"/{kind}-{index}.toml", kind, trusted, toml.encode())
        for index, (kind, toml) in enumerate(files)
    ]
    return compile_policy([*SHIPPED, *texts], profile)


def own(policy: Policy) -> list[str]:
    """Packages of the allows that are not shipped."""
    return [allow.package for allow in policy.allows if not allow.source.startswith("rules/")]


def test_the_later_file_wins_and_the_typed_profile_wins_over_all() -> None:
    """Search order of docs/policy.md section 3."""
    files = [("system", 'profile = "strict"'), ("user", 'profile = "observe"')]

    assert compiled(*files).profile == "observe"
    assert compiled(*files, profile="standard").profile == "standard"
    assert compiled().profile == "standard"


def test_an_untrusted_project_only_narrows() -> None:
    """Its allows and milder profile are left out with a note at their line; what narrows counts."""
    mild = compiled(("project", f'profile = "observe"\nfail_on_incomplete = false\n{ALLOW}'), trusted=False)
    hard = compiled(
        ("project", 'profile = "strict"\n[[deny]]\nreason = "r"\nread = ["./x"]\n'), trusted=False
    )

    assert (mild.profile, own(mild)) == ("standard", [])
    assert [note.split(": ")[0] for note in mild.notes] == ["/project-0.toml:1", "/project-0.toml:3"]
    assert hard.profile == "strict"
    assert hard.rule("policy.deny-1").rows


@pytest.mark.parametrize(
    "group",
    [
        '[[group]]\nname = "net.loopback"\nkind = "net"\ncidrs = ["0.0.0.0/1"]\n',
        '[[group]]\nname = "net.brokers"\nkind = "net"\nports = [443]\n',
        '[[group]]\nname = "secrets.aws"\nkind = "file"\npaths = ["~/x"]\nown_actors = ["package"]\n',
    ],
)
def test_an_untrusted_group_cannot_widen(group: str) -> None:
    """A longer prefix in a milder group, or an actor let off, is left out with a note."""
    policy = compiled(("project", group), trusted=False)

    assert len(policy.notes) == 1
    assert policy.groups == compiled().groups


def test_extra_groups_join_their_family() -> None:
    """A new `secrets.…` group falls under the rules of its family; a known one is extended."""
    text = '[[group]]\nname = "secrets.mine"\nkind = "file"\npaths = ["~/mine/**"]\n'
    text += '[[group]]\nname = "secrets.aws"\nkind = "file"\npaths = ["~/more"]\n'
    policy = compiled(("user", text))

    found = policy.decide(Stage.SCRIPT, Actor.PACKAGE, Act.FILE_READ, ["secrets.mine"])

    assert (found.action, found.rule) == (Action.DENY, "secrets.install")
    assert "~/more" in policy.group("secrets.aws").paths


def test_denies_of_the_machine_are_locked() -> None:
    """`/etc` and collector denies stand above allows; those of a user do not."""
    deny = '[[deny]]\nreason = "r"\nstage = ["first-run"]\nread = ["/srv/**"]\nconnect = ["0.0.0.0/0"]\n'
    policy = compiled(("system", deny), ("user", deny))

    assert [policy.rule(f"policy.deny-{number}").locked for number in (1, 2)] == [True, False]


def test_a_denied_network_takes_narrower_ones_over_but_metadata() -> None:
    """An address draws one group only, so a deny holds inside private ranges; metadata stays locked."""
    policy = compiled(("user", '[[deny]]\nreason = "r"\nconnect = ["0.0.0.0/0"]\n'))
    denied = policy.group("policy.deny-1.connect").cidrs

    assert "10.0.0.0/8" in denied
    assert "10.0.0.0/8" not in policy.group("net.private").cidrs
    assert "169.254.169.254/32" in policy.group("net.metadata").cidrs


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (
            "user",
            "project_policy = true",
            '/user-0.toml:1: "project_policy" stands only in files of /etc/pratique',
        ),
        (
            "user",
            '\n[[group]]\nname="code.memfd"\nkind="code"',
            '/user-0.toml:4: group "code.memfd" is of kind code',
        ),
        (
            "user",
            '[[group]]\nname="secrets.aws"\nkind="net"',
            '/user-0.toml:3: group "secrets.aws" is of kind file',
        ),
        (
            "user",
            '[[group]]\nname="net.x"\nkind="net"\ncidrs=["10.0.0.0/8"]',
            "/user-0.toml:4: 10.0.0.0/8 belongs to group net.private",
        ),
    ],
)
def test_what_a_policy_file_may_not_say(kind: str, text: str, message: str) -> None:
    """Refused with file and line."""
    with pytest.raises(ConfigError) as caught:
        compiled((kind, text))

    assert str(caught.value).startswith(message)


def test_profiles() -> None:
    """Of the profiles, observe refuses nothing; strict holds more and fails on an incomplete record."""
    observe, standard, strict = (compiled(profile=name) for name in ("observe", "standard", "strict"))

    assert all(row.action <= Action.AUDIT for rule in observe.rules for row in rule.rows)
    assert {rule.id for rule in standard.rules} < {rule.id for rule in strict.rules}
    assert all(rule.maturity == "stable" for rule in standard.rules)
    assert (standard.fail_on_incomplete, strict.fail_on_incomplete) == (False, True)
    assert (bool(standard.env_strip), bool(strict.env_strip)) == (False, True)


def test_equal_files_give_equal_digests() -> None:
    """The digest names behaviour: equal for equal files, another for another file."""
    assert compiled().digest == compiled().digest
    assert compiled().digest != compiled(("user", ALLOW)).digest


def test_codec_round_trip() -> None:
    """What the cache holds is the policy itself."""
    policy = compiled(("user", ALLOW + '[[block]]\npackage = "pkg:npm/y"\nreason = "r"\n'), profile="strict")

    assert codec.decode(codec.encode(policy)) == policy


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": 2}', '{"format": 1}'])
def test_codec_refuses_what_it_did_not_write(text: str) -> None:
    """A broken cache is a ValueError, so that the policy is compiled anew."""
    with pytest.raises(ValueError, match=r"."):
        codec.decode(text)
