"""What learning proposes: it loads, permits what was seen and nothing else, and leaves dangerous acts to people."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pratique.errors import ConfigError
from pratique.model import Event, Identity
from pratique.policy import allows, drafting, learning, tried
from pratique.policy.compile import compile_policy
from pratique.policy.ground import Ground
from pratique.policy.ground import ground as ground_of
from pratique.policy.learning import Choices, Proposal
from pratique.policy.model import Allow
from pratique.policy.sources import Text, shipped_texts
from pratique.runs import redact, report
from pratique.words import Act, Action, Quality, Stage
from unit import runs_sample as sample

HOME, PROJECT = sample.HOME, f"{sample.HOME}/shop"
PURL = "pkg:npm/left-padder@1.0.2"
DENY = '[[deny]]\nreason = "ours"\nread = ["/srv/**"]\nwrite = ["/srv/**"]\nipc = ["/srv/**"]\n'
OURS = f"# kept\n{DENY}"
RULES = {
    "connect": "egress.install",
    "dns": "dns.install",
    "read": "policy.deny-1",
    "write": "policy.deny-1",
    "exec": "code.fresh",
    "ipc": "policy.deny-1",
}
TEXTS = shipped_texts()
POLICY = compile_policy([*TEXTS, Text("/p.toml", "user", True, DENY.encode())])

Json = dict[str, Any]


@cache
def ground(file: str = OURS) -> Ground:
    """The shipped policy with this project file."""
    text = Text(f"{PROJECT}/pratique.toml", "project", True, file.encode())
    return ground_of([*TEXTS, text], [HOME], PROJECT)


def event(act: Act, target: Mapping[str, Any], **more: Any) -> Event:
    """A refusal of package code."""
    rule = more.pop("rule", None) or RULES.get(allows.KEYS.get(act, ""), "memory.outside")
    return sample.acted(4121, act, more.pop("action", Action.DENY), target, rule=rule, **more)


def reported(*events: Event, quality: Quality = Quality.VERIFIED, purl: str = PURL, **more: Any) -> Json:
    """The real report of a run with these refusals, as it is read back."""
    run = sample.started(sample.run(policy=POLICY, **more), sample.origin(quality, purl=purl))
    for each in events:
        run.add(each)
    run.ended(0, None, 0, {})
    read: Json = json.loads(json.dumps(report.build(run.summary())))
    return read


def learned(reports: Json | Sequence[Json], file: str = OURS, **choices: bool) -> Proposal:
    """What is proposed."""
    given_reports = [reports] if isinstance(reports, dict) else reports
    acts = [act for each in given_reports for act in tried.tried(each)]
    return learning.learn(acts, ground(file), Choices(**choices))


def stanza(proposal: Proposal) -> Json:
    """The only stanza, without its reason and digest."""
    (found,) = tomllib.loads("\n".join(proposal.stanzas))["allow"]
    return {key: value for key, value in found.items() if key not in ("reason", "digest")}


def proposed_allows(proposal: Proposal) -> list[Allow]:
    """The stanzas as the project's own loader reads them."""
    file = learning.appended("", proposal.stanzas).encode()
    policy = compile_policy([*TEXTS, Text("/p.toml", "argument", True, file)])
    return [allow for allow in policy.allows if not allow.source.startswith("rules/")]


def permitted(held: Iterable[Allow], act: Act, target: Mapping[str, Any]) -> bool:
    """The oracle of the guard."""
    return any(allows.permits(allow, act, target, [HOME], PROJECT) for allow in held)


def connect(port: int = 443, rule: str | None = None, tainted: bool = False, **target: Any) -> Event:
    """A refused connect."""
    whole = {"address": "203.0.113.9", "port": port, **target}
    return event(Act.NET_CONNECT, whole, rule=rule, tainted=tainted)


def test_acts_of_a_package_become_one_stanza() -> None:
    """Exact purl, digest and stage; lists merged and sorted; a reason that asks to be edited."""
    proposal = learned(
        reported(
            event(Act.FILE_CREATE, {"path": "/srv/b"}),
            event(Act.FILE_RENAME, {"path": "/srv/a", "to": "/srv/x/c"}),
            connect(443),
            connect(80),
            connect(443, address="2001:db8::9"),
            connect(443, address="::ffff:203.0.113.7"),
            connect(443, name="CDN.example.com."),
            event(Act.NET_DNS, {"name": "cdn.example.com"}),
            event(Act.NET_DNS, {"name": "other.example.com"}),
            event(Act.EXEC, {"exe": "/srv/tool"}, action=Action.AUDIT),
        )
    )

    assert proposal.left == ()
    assert "".join(proposal.stanzas) == (
        '[[allow]]\npackage = "pkg:npm/left-padder@1.0.2"\ndigest = "sha512-abc"\nstage = ["script"]\n'
        "connect = [\n"
        '    "203.0.113.7:443",\n    "203.0.113.9:443",\n    "203.0.113.9:80",\n    "[2001:db8::9]:443",\n'
        '    "cdn.example.com:443",\n]\n'
        'dns = ["other.example.com"]\n'
        'write = ["/srv/a", "/srv/b", "/srv/x/c"]\nexec = ["/srv/tool"]\n'
        'reason = "learned from run 01JD3KZ0000000000000000000 on 1970-01-01: edit me"\n'
    )


def test_runs_are_merged() -> None:
    """Acts of several reports stand in one stanza that names the runs, the first few of many."""
    reports = [reported(connect(port), run_id=f"01JD3KZ000000000000000000{port}") for port in range(1, 6)]
    proposal = learned(reports)

    assert len(stanza(proposal)["connect"]) == 5
    assert "0001, 01JD3KZ0000000000000000002, 01JD3KZ0000000000000000003 and 2 more on" in proposal.stanzas[0]
    assert learned(list(reversed(reports))).stanzas == proposal.stanzas


def test_any_version_is_asked_for() -> None:
    """Without version and digest only on request, and for the same name."""
    scoped = "pkg:npm/%40scope/name@1.0.2"

    assert stanza(learned(reported(connect(), purl=scoped)))["package"] == scoped
    wide = learned(reported(connect(), purl=scoped), any_version=True)
    assert stanza(wide)["package"] == "pkg:npm/%40scope/name"
    assert "digest" not in wide.stanzas[0]


@pytest.mark.parametrize(
    "purl", ["pkg:npm/x@>=0", "pkg:npm/x@%3E=0", "pkg:npm/x", "pkg:npm/@scope/*@1", "pkg:npm/@scope/*", "x"]
)
def test_a_purl_that_means_more_than_itself_is_not_proposed(purl: str) -> None:
    """A version that reads as a range would open the door to every version."""
    for any_version in (False, True):
        proposal = learned(reported(connect(), purl=purl), any_version=any_version)
        assert proposal.stanzas == ()


NEVER: list[tuple[Event, str]] = [
    (connect(address="169.254.169.254", port=80, rule="egress.metadata"), "locked"),
    (connect(address="169.254.169.254", port=80), "metadata"),
    (connect(address="::ffff:169.254.170.2", port=80), "metadata"),
    (connect(address="127.0.0.1", port=2375), "broker"),
    (connect(tainted=True), "--include-secrets"),
    (connect(address="", name="localhost", port=2375), "no allow can be written"),
    (event(Act.NET_CONNECT, {"protocol": "icmp"}, rule="egress.raw-socket"), "no allow can be written"),
    (event(Act.FILE_READ, {"path": f"{HOME}/.aws/credentials"}), "WARNING: a secret"),
    (event(Act.FILE_READ, {"path": "/srv/x"}, groups=("secrets.mine",)), "WARNING: a secret"),
    (event(Act.FILE_WRITE, {"path": f"{HOME}/.aws/credentials"}), "a secret is kept there"),
    (event(Act.FILE_WRITE, {"path": f"{HOME}/.bashrc"}), "code starts again"),
    (event(Act.FILE_RENAME, {"path": "/srv/x", "to": f"{HOME}/.profile"}), "code starts again"),
    (event(Act.FILE_WRITE, {"path": "/root/.bashrc"}), "code starts again"),
    (event(Act.FILE_WRITE, {"path": f"{PROJECT}/pratique.toml"}, rule="self.protect"), "locked"),
    (event(Act.FILE_WRITE, {"path": f"{PROJECT}/pratique.toml"}), "Pratique itself"),
    (event(Act.IPC_CONNECT, {"path": "/run/docker.sock"}), "broker"),
    (event(Act.EXEC, {"exe": "/usr/bin/sudo"}), "more rights"),
    (event(Act.EXEC, {"exe": "/srv/x"}, groups=("code.hidden-temp",)), "hides"),
    (event(Act.EXEC, {"exe": "/tmp/conftest/a.out"}), "temporary name"),
    (event(Act.EXEC, {"exe": f"{HOME}/t/pip-install-ab12cd3_/x/a.out"}), "temporary name"),
    (event(Act.EXEC, {"exe": "/srv/x"}, rule="exec.miner"), "only watches"),
    (connect(rule="package.blocked"), "locked"),
    (connect(rule="gone.away"), "there is no rule gone.away"),
    (event(Act.PROC_MEMORY, {"pid": 1}), "cannot be allowed"),
    (event(Act.FILE_READ, {"path": "/srv/ghp_A1b2C3d4E5f6G7h8I9j0"}), "redacted"),
    (connect(name="ghp_A1b2C3d4E5f6G7h8I9j0.example.net"), "redacted"),
    (event(Act.FILE_WRITE, {"path": "/srv/\udcff"}), "no allow can be written"),
    (event(Act.FILE_WRITE, {"path": "/srv/../etc/x"}), "no allow can be written"),
    (event(Act.FILE_WRITE, {"path": "srv/x"}), "no allow can be written"),
    (event(Act.NET_DNS, {"name": "*.example.net"}), "no allow can be written"),
    (sample.event(sample.Kind.ACT, 4121, 0, sample.Actor.PROJECT, origin=1, act=Act.NET_CONNECT,
                  action=Action.AUDIT, rule="egress.install", target={"address": "203.0.113.9", "port": 1}),
     "not package code"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "why"), NEVER, ids=lambda each: each if isinstance(each, str) else None)
def test_what_is_never_learned_is_told(act: Event, why: str) -> None:
    """Left out with a reason, also when it stands among acts that are proposed."""
    proposal = learned(reported(connect(8443), act))

    assert stanza(proposal)["connect"] == ["203.0.113.9:8443"]
    assert set(stanza(proposal)) == {"package", "stage", "connect"}
    ((_, told),) = proposal.left
    assert why in told


@pytest.mark.parametrize(
    ("quality", "why"), [(Quality.CLAIMED, "only claimed"), (Quality.UNKNOWN, "unknown")]
)
def test_only_verified_packages_are_learned(quality: Quality, why: str) -> None:
    """A name nobody vouches for could be anybody's."""
    proposal = learned(reported(connect(), quality=quality), any_version=True, include_secrets=True)

    assert proposal.stanzas == ()
    assert why in proposal.left[0][1]


def test_groups_do_not_rest_on_the_report() -> None:
    """A report from elsewhere that leaves out what a place is does not get it learned."""
    told = reported(event(Act.FILE_WRITE, {"path": f"{HOME}/.bashrc"}, groups=("persistence.shell",)))
    told["findings"][0]["groups"] = []
    told["findings"][0]["rule"] = "egress.install"

    assert learned(told).stanzas == ()


def test_a_forged_offer_changes_nothing() -> None:
    """The stanza that a report offers lends its digest alone: a wildcard in it, or in a name, is not taken over."""
    told = reported(event(Act.NET_DNS, {"name": "*.example.net"}), event(Act.FILE_READ, {"path": "/srv/x"}))
    for finding in told["findings"]:
        finding["allow"] = f'[[allow]]\npackage = "{PURL}"\ndigest = "sha512-abc"\nread = ["/**"]\n'
    proposal = learned(told)

    assert stanza(proposal) == {"package": PURL, "stage": ["script"], "read": ["/srv/x"]}
    assert proposal.left[0][0].target == {"name": "*.example.net"}


def test_secrets_are_asked_for() -> None:
    """With `--include-secrets` a read and what followed it are proposed, but no other door opens."""
    acts = (
        event(Act.FILE_READ, {"path": f"{HOME}/.aws/credentials"}, groups=("secrets.aws",)),
        connect(tainted=True),
        event(Act.FILE_WRITE, {"path": f"{HOME}/.aws/credentials"}),
        connect(address="169.254.169.254"),
    )
    proposal = learned(reported(*acts), include_secrets=True)

    assert stanza(proposal)["read"] == [f"{HOME}/.aws/credentials"]
    assert stanza(proposal)["connect"] == ["203.0.113.9:443"]
    assert len(proposal.left) == 2


def writes(*paths: str, act: Act = Act.FILE_CREATE) -> Json:
    """A report of files touched."""
    return reported(*(event(act, {"exe" if act is Act.EXEC else "path": path}) for path in paths))


@pytest.mark.parametrize(
    ("report_of", "key", "expected"),
    [
        (writes("/srv/d/1", "/srv/d/2"), "write", ["/srv/d/1", "/srv/d/2"]),
        (writes("/srv/d/1", "/srv/d/2", "/srv/d/3"), "write", ["/srv/d/*"]),
        (writes("/srv/d/1", "/srv/d/2", "/srv/d/e/3"), "write", ["/srv/d/1", "/srv/d/2", "/srv/d/e/3"]),
        (writes("/srv/*/1", "/srv/*/2", "/srv/*/3", "/srv/x"), "write", ["/srv/[*]/*", "/srv/x"]),
        (writes(f"{HOME}/1", f"{HOME}/2", f"{HOME}/3"), "write", [f"{HOME}/{name}" for name in "123"]),
        (writes("/home/b/1", "/home/b/2", "/home/b/3"), "write", [f"/home/b/{name}" for name in "123"]),
        (writes("/etc/1", "/etc/2", "/etc/3"), "write", ["/etc/1", "/etc/2", "/etc/3"]),
        (writes("/1", "/2", "/3"), "write", ["/1", "/2", "/3"]),
        (
            writes(*(f"/usr/bin/{name}" for name in "xyz"), act=Act.EXEC),
            "exec",
            ["/usr/bin/x", "/usr/bin/y", "/usr/bin/z"],
        ),
        (writes(*(f"/srv/bin/{name}" for name in "xyz"), act=Act.EXEC), "exec", ["/srv/bin/*"]),
    ],
)
def test_siblings_are_generalised_only_where_nothing_is_guarded(
    report_of: Json, key: str, expected: list[str]
) -> None:
    """Three in one directory become `DIR/*`, unless a secret, start-up file or guarded program could be there."""
    assert stanza(learned(report_of))[key] == expected


def test_what_is_allowed_already_is_not_proposed() -> None:
    """An existing stanza is not repeated and not rewritten: only what is missing is appended."""
    first = learned(writes("/srv/a"))
    file = learning.appended(OURS, first.stanzas)
    second = learned(writes("/srv/a", "/srv/b"), file)

    assert stanza(second)["write"] == ["/srv/b"]
    assert [act.target["path"] for act in second.known] == ["/srv/a"]
    assert learning.appended(file, second.stanzas).startswith(file)


@pytest.mark.parametrize(
    "file", ["", "# no end of line", OURS, OURS.replace("\n", "\r\n"), "[env]\nstrip = []"]
)
def test_a_second_time_there_is_nothing(file: str) -> None:
    """Whatever the file was, it stays the beginning, and learning again proposes nothing."""
    told = reported(connect(), event(Act.FILE_WRITE, {"path": "/srv/x"}), event(Act.EXEC, {"exe": "/srv/y"}))
    before = file if "[[deny]]" in file else f"{DENY}{file}"
    after = learning.appended(before, learned(told, before).stanzas)
    again = learned(told, after)

    assert after.startswith(before)
    assert again.stanzas == ()
    assert len(again.known) == 3


def test_a_file_that_cannot_be_appended_to_says_so() -> None:
    """An inline array of allows cannot grow: the loader's error has file and line."""
    with pytest.raises(ConfigError, match=r"pratique\.toml:\d+: "):
        ground(learning.appended("allow = []\n", learned(writes("/srv/a")).stanzas))


def test_words_are_the_reports() -> None:
    """What marks a redaction, and the schema, are those of the report."""
    assert (learning.HIDDEN, tried.SCHEMA) == (redact.HIDDEN, report.SCHEMA)


HOSTILE = st.text(
    st.one_of(
        st.sampled_from("*?[]!/.:\"\\'#\n\r\t\x1b\u202e\u3164\u2028~$, =@{}"),
        st.characters(exclude_categories=("Cs",)),
    ),
    max_size=12,
)
PATH_ACTS = (Act.FILE_READ, Act.FILE_WRITE, Act.EXEC, Act.IPC_CONNECT)


@st.composite
def hostile_acts(draw: st.DrawFn) -> list[tuple[Act, Json]]:
    """Acts on objects named by an attacker; each path in a directory of its own."""
    made: list[tuple[Act, Json]] = []
    for number in range(draw(st.integers(1, 4))):
        act = draw(st.sampled_from([*PATH_ACTS, Act.FILE_RENAME, Act.NET_CONNECT, Act.NET_DNS]))
        name = draw(HOSTILE)
        path = f"/srv/{number}/{name}"
        target: Json = {"exe" if act is Act.EXEC else "path": path}
        if act is Act.FILE_RENAME:
            target["to"] = f"/srv/{number}/to/{draw(HOSTILE)}"
        if act is Act.NET_CONNECT:
            port = draw(st.integers(-1, 65536))
            target = {"address": draw(st.sampled_from(["203.0.113.9", "2001:db8::9", name]))}
            target |= {"port": port} if port >= 0 else {}
            target |= {"name": draw(st.sampled_from([name, "cdn.example.com"]))}
        made.append((act, {"name": name} if act is Act.NET_DNS else target))
    return made


def is_expected(act: Act, target: Json, taken: Sequence[tried.Tried]) -> bool:
    """Whether all that this act needs is part of what was taken."""
    key = allows.KEYS[act]
    name = str(target.get("name") or "").lower().rstrip(".")
    alike = [each.target for each in taken if allows.KEYS[each.act] == key]
    hosts = [each.target for each in taken if each.act in (Act.NET_CONNECT, Act.NET_DNS)]
    if act is Act.NET_DNS:
        return name in {str(each.get("name") or "").lower().rstrip(".") for each in hosts}
    if act is Act.NET_CONNECT:
        names = {(str(each.get("name") or "").lower().rstrip("."), each["port"]) for each in alike}
        addresses = {(each["address"], each["port"]) for each in alike}
        return (name, target.get("port")) in names or (target["address"], target.get("port")) in addresses
    ends = ("path", "to", "exe")
    return {target[end] for end in ends if end in target} <= {each.get(end) for each in alike for end in ends}


def neighbours(act: Act, target: Json) -> Iterable[tuple[Act, Json]]:
    """Acts that resemble this one, which nobody did."""
    for end in {"path", "exe", "to", "name"} & set(target):
        text = target.get(end) or ""
        other = "".join("z" if char in "*?[]!" else char for char in text)
        for changed in (f"{text}x", text[:-1], f"{text}/x", text.rpartition("/")[0], other, f"x{text}"):
            yield act, {**target, end: changed}
    if "port" in target:
        yield act, {**target, "port": target["port"] + 1}
        yield act, {**target, "address": "203.0.113.10", "name": None}
        yield act, {**target, "name": "evil.example.net"}


@settings(max_examples=60, deadline=None)
@given(hostile_acts())
@example([(Act.FILE_WRITE, {"path": "/srv/0/*"}), (Act.FILE_READ, {"path": "/srv/1/a?c"})])
@example([(Act.EXEC, {"exe": "/srv/0/[!a]"}), (Act.FILE_RENAME, {"path": "/srv/1/x", "to": "/srv/1/**"})])
@example([(Act.NET_CONNECT, {"address": "203.0.113.9", "port": 1, "name": "*.example.com"})])
def test_hostile_names_permit_what_was_seen_and_nothing_else(acts: list[tuple[Act, Json]]) -> None:
    """The stanzas load with the policy's own loader; each proposed act passes, no act beside it does."""
    told = reported(*(event(act, target) for act, target in acts))
    proposal = learned(told)
    held = proposed_allows(proposal)
    for act in proposal.acts:
        assert permitted(held, act.act, act.target)
    for act, target in [*acts, *(each for one in acts for each in neighbours(*one))]:
        if permitted(held, act, target):
            assert is_expected(act, target, proposal.acts)
    assert learned(told, learning.appended(OURS, proposal.stanzas)).stanzas == ()


def test_a_stanza_binds_stage_digest_and_package() -> None:
    """The same act of another stage, content, version or package stays refused."""
    held = compile_policy(
        [
            *TEXTS,
            Text("/p.toml", "argument", True, learned(reported(connect())).stanzas[0].encode()),
        ]
    )
    fits = Identity(Quality.VERIFIED, PURL, digest="sha512-abc")

    def allowed(identity: Identity, stage: Stage) -> bool:
        return permitted(
            allows.allows_for(held, identity, stage), Act.NET_CONNECT, {"address": "203.0.113.9", "port": 443}
        )

    assert allowed(fits, Stage.SCRIPT)
    assert not allowed(fits, Stage.BUILD)
    assert not allowed(Identity(Quality.VERIFIED, PURL, digest="sha512-abd"), Stage.SCRIPT)
    assert not allowed(Identity(Quality.VERIFIED, f"{PURL}1", digest="sha512-abc"), Stage.SCRIPT)
    assert not allowed(Identity(Quality.CLAIMED, PURL, digest="sha512-abc"), Stage.SCRIPT)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), st.text(max_size=20))
def test_a_hostile_package_or_run_is_one_package(name: str, run: str) -> None:
    """A purl or run id from a made-up report cannot break out of its string, nor mean another package."""
    told = reported(connect(), purl=f"pkg:npm/{name}@1")
    told["run"]["id"] = run
    proposal = learned(told)

    for allow in proposed_allows(proposal):
        assert allow.package == told["findings"][0]["package"]
        assert not permitted([allow], Act.NET_CONNECT, {"address": "203.0.113.10", "port": 443})


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_quoted_text_is_read_back(text: str) -> None:
    """TOML gives the same text again, and no part of the line can command a terminal or a CI system."""
    quoted = drafting.quoted(text)

    assert tomllib.loads(f"x = {quoted}")["x"] == text
    assert quoted.isprintable()
    assert "##[" not in quoted


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(reported(connect())["findings"][0])), JUNK)
def test_a_damaged_report_is_an_error_or_harmless(key: str, junk: object) -> None:
    """Whatever stands in a field, the answer is `ValueError` or a proposal that the loader takes."""
    told = reported(connect())
    told["findings"][0][key] = junk
    try:
        proposal = learned(told)
    except ValueError:
        return
    proposed_allows(proposal)


@pytest.mark.parametrize("told", [None, [], {}, {"schema": "x", "run": {}, "findings": []}, {"run": 1}])
def test_what_is_no_report(told: object) -> None:
    """Something else than a report is refused."""
    with pytest.raises(ValueError, match=r"missing|schema"):
        list(tried.tried(told))
