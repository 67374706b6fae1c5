"""The block people read: what it must say, at every width."""

import io

import pytest
from rich.cells import cell_len

from pratique.model import Coverage
from pratique.runs import people, phrases, report, text
from pratique.runs.paper import Paper
from pratique.words import Act, Action, Actor, Level, Quality, Stage
from unit import runs_sample as sample


def shown(given: dict[str, object] | None = None, **paper: object) -> str:
    """The block as printed."""
    return text.render(given or sample.built(), Paper(homes=(sample.HOME,), **paper))


def clean(**more: object) -> dict[str, object]:
    """The report of a clean run."""
    run = sample.started(sample.run())
    run.add(sample.fetched())
    run.ended(0, None, 0, {"exec": 9, "connect": 1})
    return sample.built(run, **more)


def test_a_refusal_can_be_acted_on() -> None:
    """Package, stage, each act with object and answer, chain, reason, mend and coverage."""
    block = shown(width=100)

    for part in (
        "pratique  BLOCKED  npm install web-kit",
        "run 01JD3KZ0000000000000000000",
        "left-padder@1.0.2   script   not a package you named: pulled in by web-kit",
        "✗ read    ~/.aws/credentials  denied   secrets.aws",
        "✗ connect 203.0.113.9:8443    denied   net.global",
        "✗ write   ~/.bashrc           denied   persistence.shell",
        "! exec    /tmp/.x9f           audited   code.fresh",
        "how      npm (4101) → sh -c 'node setup.js' (4120) → node setup.js (4121)",
        "why      Install scripts have no business with cloud credentials. (T1552.001)",
        "allow    pratique report 01JD3KZ0000000000000000000 --allow",
        "status   3, for --fail-on deny; the command itself ended with 0",
        "coverage hooks: 2 of 4 kinds of act enforced here, 1 killed before the act; not covered:",
    ):
        assert part in block


def test_clean_is_one_line_with_true_counts() -> None:
    """What ran, the exact counts and who connected, on one line."""
    line = shown(clean(added_seconds=0.24), width=160)

    assert line == (
        "pratique  clean  npm install web-kit  ·  1 package ran code (1 in script)  ·  "
        "9 execs, 1 connect (manager only)  ·  hooks  ·  0.2 s added\n"
    )


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_clean_line_is_laid_out_at_once(width: int) -> None:
    """An everyday clean run is told without the library that lays out blocks; one with notes is not."""
    paper = Paper(width=width)

    assert people.clean(clean(), paper) == text.render(clean(), paper)
    assert people.clean(clean(notes=("look",)), paper) is None
    assert people.clean(sample.built(), paper) is None


def test_who_connected_is_not_said_when_unknown() -> None:
    """When the kernel counted more than we saw, nobody is named."""
    given = clean()
    given["counts"]["connect"] = 5

    assert "5 connects  ·" in shown(given, width=160)


@pytest.mark.parametrize("width", [20, 33, 40, 60, 79, 80, 120])
def test_every_width_holds(width: int) -> None:
    """No line is wider than the terminal, and no object is cut: it can be copied in full."""
    for given in (sample.built(), clean()):
        lines = shown(given, width=width).split("\n")

        assert max(map(cell_len, lines)) <= width
    joined = "".join(shown(width=width).split())
    assert "~/.aws/credentials" in joined
    assert "203.0.113.9:8443" in joined


def test_ascii_terminals_get_ascii() -> None:
    """Where the encoding is not UTF-8 nothing else is written."""
    assert shown(unicode=False).isascii()
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    people.write(sample.built(), stream)
    stream.seek(0)
    assert "x read" in stream.read()


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(environment: dict[str, str]) -> None:
    """NO_COLOR and dumb terminals mean no escape sequence; so does a pipe."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert Paper.of(Terminal(), environment).colour is False
    assert Paper.of(io.StringIO(), {}).colour is False
    assert Paper.of(Terminal(), {"COLUMNS": "91"}).colour is True
    assert Paper.of(Terminal(), {"COLUMNS": "91"}).width == 91
    assert "\x1b" not in shown(colour=False)


def test_colour_only_helps() -> None:
    """Without its colours the block says the same."""
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", shown(colour=True)) == shown(colour=False)


def test_quiet_prints_nothing_when_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """`--quiet` is silent for clean and complete runs only."""
    from pratique.cli import outcomes

    for given, silent in ((clean(), True), (clean(guard_lost="x"), False), (sample.built(), False)):
        outcomes._say(given, quiet=True)
        assert (capsys.readouterr().err == "") is silent


def test_no_manager_is_said() -> None:
    """A command in which nothing was recognised must not look judged."""
    run = sample.run(command=["make"])
    run.started(5)
    run.ended(0, None, 0, {"exec": 1})

    block = shown(sample.built(run), width=120)

    assert "nothing was judged" in block
    assert "clean" not in block


def test_incomplete_is_said() -> None:
    """Lost events stand beside the verdict, clean or not."""
    run = sample.started(sample.run())
    run.ended(0, None, 12, {})

    assert "clean INCOMPLETE" in shown(sample.built(run))
    assert "12 events lost" in shown(sample.built(run))


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (Level.KILLED_BEFORE, "killed before it happened"),
        (Level.KILLED_AFTER, "happened, then killed"),
    ],
)
def test_a_kill_tells_the_whole_truth(level: Level, words: str) -> None:
    """An act that happened before its author died is not called prevented."""
    run = sample.started(sample.run())
    run.add(
        sample.acted(
            4121, Act.FILE_RENAME, Action.KILL, {"path": "/a", "to": "/b"}, rule="read-secrets", level=level
        )
    )

    assert words in shown(sample.built(run), width=120)
    assert "/a → /b" in shown(sample.built(run), width=120)


def test_audit_mode_says_what_would_have_been() -> None:
    """`audited, would be denied`."""
    run = sample.started(sample.run(policy=sample.policy(mode="audit")))
    run.add(
        sample.acted(
            4121, Act.FILE_READ, Action.AUDIT, {"path": "/a"}, rule="read-secrets", would=Action.DENY
        )
    )

    assert "audited, would be denied" in shown(sample.built(run))
    assert "FINDINGS" in shown(sample.built(run))


@pytest.mark.parametrize("quality", [Quality.CLAIMED, Quality.UNKNOWN])
def test_an_unverified_name_gets_no_allow(quality: Quality) -> None:
    """No stanza is promised that could never match."""
    purl = "pkg:npm/left-padder@1.0.2" if quality is Quality.CLAIMED else None
    run = sample.refused(sample.started(sample.run(), sample.origin(quality, purl=purl)))
    block = shown(sample.built(run), width=120)

    assert "no allow can match" in block
    assert "[[allow]] stanza for each" not in block


def test_other_actors_are_named_as_such() -> None:
    """Findings of the project's own scripts are not put on a package."""
    run = sample.started(sample.run())
    secret = {"path": "/a"}
    event = sample.event(
        sample.Kind.ACT,
        4101,
        1,
        Actor.PROJECT,
        act=Act.FILE_READ,
        action=Action.AUDIT,
        target=secret,
        rule="read-secrets",
    )
    run.add(event)

    assert "the project's own scripts" in shown(sample.built(run))


def test_allow_prints_toml() -> None:
    """`--allow` gives stanzas that a TOML parser takes."""
    import tomllib

    found = tomllib.loads(text.allows(sample.built()))["allow"]

    assert [next(key for key in each if key in ("read", "connect", "write", "exec")) for each in found] == [
        "read",
        "connect",
        "write",
        "exec",
    ]


def test_coverage_counts_are_exact() -> None:
    """Each level is counted, and what is blind is named with its circumstance."""
    rows = (
        Coverage(Act.EXEC, "", Level.ENFORCED, ""),
        Coverage(Act.FILE_RENAME, "daemon", Level.KILLED_AFTER, ""),
        Coverage(Act.RING, "", Level.SEEN, ""),
        Coverage(Act.EXEC_MAP, "ld.so FILE", Level.BLIND, ""),
    )
    built = report.build(sample.run().summary(), report.Ending(coverage=rows))

    assert phrases.covered(built) == (
        "1 of 4 kinds of act enforced here, 1 killed after the act, 1 only seen",
        ["exec.map (ld.so FILE)"],
    )


def test_uninstall_is_only_offered_where_it_helps() -> None:
    """For a verified package the user named and that was installed; never for a name a shell would read."""
    direct = sample.origin(direct=True)
    odd = sample.origin(direct=True, purl="pkg:npm/a;rm@1")

    assert (
        phrases.uninstall(sample.built(sample.refused(sample.started(sample.run(), direct))))
        == "npm uninstall left-padder"
    )
    assert phrases.uninstall(sample.built()) is None
    assert phrases.uninstall(sample.built(sample.refused(sample.started(sample.run(), odd)))) is None
    assert Stage.SCRIPT.word == "script"


def test_long_paths_in_a_chain_keep_their_last_name() -> None:
    """The chain shows what ran, not in which of pip's temporary folders; short paths and spaces stay as they are."""
    process = {"argv": ["/usr/bin/python3", "/v/lib/python3.11/site-packages/pip/in process.py", "/tmp/x y"]}

    assert phrases.command(process, folders=False) == "python3 …/'in process.py' '/tmp/x y'"
    assert phrases.command(process).startswith("python3 '/v/lib/python3.11/")


def test_a_long_list_of_techniques_is_cut() -> None:
    """Four techniques tell the kind of attack; how many more there are is said."""
    finding = {"explain": "No.", "techniques": [f"T{number}" for number in range(1000, 1007)]}

    assert phrases.why([finding]) == "No. (T1000, T1001, T1002, T1003, 3 more)"
    assert phrases.why([{**finding, "techniques": ["T1000"]}]) == "No. (T1000)"
