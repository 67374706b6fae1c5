"""What `redact` hides, and what it leaves for the reader."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.runs import html, redact, text
from pratique.words import Act, Action
from unit import runs_sample as sample

# Made up, shaped like the real ones.
GITHUB = "ghp_" + "A1b2C3d4E5f6G7h8I9j0"
NPM = "npm_" + "aB3dE6gH9jK2mN5pQ8sT1vW4"
AWS = "AKIA" + "IOSFODNN7CANARY9"
RANDOM = "9aXk2LmQ7zRt4VbN8cYw3Pd"

HIDDEN = [
    "https://dev:hunter2canary@example.org/x",
    "https://hunter2canary@example.org/x",
    "http://example.org/x?token=hunter2canary&a=1",
    "http://example.org/x?a=hunter2canary",
    "http://example.org/cb#access_token=hunter2canary",
    "postgres://dev:hunter2canary@db/x",
    "--password=hunter2canary",
    "NPM_TOKEN=hunter2canary",
    "--//example.org/:_authToken=hunter2canary",
    '{"api_key": "hunter2canary"}',
    "curl -H 'Authorization: Bearer hunter2canary' x",
    "curl -H 'Authorization: Basic hunter2canary' x",
    "tool --token hunter2canary run",
    "export AWS_SECRET_ACCESS_KEY='hunter2canary x'",
]


@pytest.mark.parametrize("given", HIDDEN)
def test_a_secret_in_text_is_hidden(given: str) -> None:
    """No part of the secret survives, whatever the spelling."""
    shown = redact.text(given)

    assert "canary" not in shown
    assert redact.HIDDEN in shown


@pytest.mark.parametrize("token", [GITHUB, NPM, AWS, RANDOM, f"x={RANDOM}", f"echo '{GITHUB}' | sh"])
def test_token_like_words_are_hidden(token: str) -> None:
    """Known prefixes and random-looking words go, wherever they stand."""
    shown = redact.text(token)

    assert not any(secret in shown for secret in (GITHUB, NPM, AWS, RANDOM))


@pytest.mark.parametrize(
    "plain",
    [
        "npm install left-padder@1.0.2",
        "node setup.js --port 8443",
        "python -m pip install rich",
        "/home/dev/shop/node_modules/left-padder",
        "https://example.org/a/b.tgz",
        "sha512-abcDEF0123456789abcDEF0123456789",
        "d41d8cd98f00b204e9800998ecf8427e",
        "CommonModuleFactoryV2BuilderAdapter",
        "--no-binary=:all:",
        "ssh -p 2222 host",
        "author=someone",
    ],
)
def test_plain_words_stay(plain: str) -> None:
    """What people need to understand a run is left alone: digests, names, ports, URLs without secrets."""
    assert redact.text(plain) == plain


@pytest.mark.parametrize(
    ("argv", "gone"),
    [
        (["tool", "--token", "hunter2canary"], "hunter2canary"),
        (["tool", "--auth-token", "-hunter2canary"], "hunter2canary"),
        (["curl", "-u", "dev:hunter2canary", "http://example.org"], "hunter2canary"),
        (["sshpass", "-p", "hunter2canary", "ssh", "host"], "hunter2canary"),
        (["mysql", "-phunter2canary"], "hunter2canary"),
    ],
)
def test_the_word_after_a_secret_option_is_hidden(argv: list[str], gone: str) -> None:
    """`--token X` is a secret; so is `-p` of programs that take a password there, and of no other."""
    assert not any(gone in word for word in redact.argv(argv))
    assert redact.argv(["ssh", "-p", "2222"]) == ["ssh", "-p", "2222"]


def test_environment_keeps_only_secret_names() -> None:
    """Names of secret variables are listed, plain ones are not, and values never get in."""
    given = {"NPM_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "PATH": "/bin", "HOME": "/root", "DB_PASS": "x"}

    assert redact.environment_names(given) == ["AWS_SECRET_ACCESS_KEY", "DB_PASS", "NPM_TOKEN"]


@given(st.text(max_size=200))
def test_any_text_can_be_redacted_twice(given: str) -> None:
    """Redaction never fails, and redacting again leaks nothing new: known tokens stay gone."""
    once = redact.text(f"{given} {GITHUB} ")

    assert GITHUB not in once
    assert GITHUB not in redact.text(once)


@pytest.mark.parametrize(
    "piece", ["eyJ", "=:", "x=y ", "https://", "--a ", "-----BEGIN PRIVATE KEY-----", "a"]
)
def test_hostile_text_cannot_stall_it(piece: str) -> None:
    """A megabyte made for the patterns is cut and done with in a moment."""
    began = time.process_time()
    redact.text(piece * 300_000)
    redact.path(piece * 300_000)

    assert time.process_time() - began < 5


def test_canaries_reach_no_output() -> None:
    """Secrets in argv, cwd, paths, names and environment are in none of JSON, terminal, HTML and stanzas."""
    run = sample.run(
        command=["npm", "install", "--token", "canary1", "https://u:canary2@example.org/p.tgz?k=canary3"],
        environment={"HOME": sample.HOME, "MY_SECRET": "canary4"},
    )
    sample.started(run)
    run.add(sample.execed(4122, 4121, ["sh", "-c", "curl -H 'Authorization: Bearer canary5' x"], origin=1))
    peer = {"path": f"/x/{GITHUB}", "name": f"{GITHUB}.example.org"}
    run.add(
        sample.acted(4122, Act.FILE_READ, Action.DENY, peer, rule="read-secrets", groups=("secrets.aws",))
    )
    report = sample.built(sample.refused(run))

    for shown in (json.dumps(report), text.render(report), html.page(report), text.allows(report)):
        assert "canary" not in shown
        assert GITHUB not in shown
    assert report["run"]["environment"] == ["MY_SECRET"]


@pytest.mark.parametrize("letter", ["a", "/", "a/", "=", ":", "a=", "token:", '"', "-", "--a ", "Aa1", "\n"])
def test_redaction_takes_time_in_proportion(letter: str) -> None:
    """Command lines come from hostile code: no text of a few kilobytes may hold up the end of a run."""
    began = time.process_time()
    for _ in range(40):
        redact.text((letter * 4_000)[:4_000])

    assert time.process_time() - began < 3
