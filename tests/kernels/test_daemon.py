"""The daemon on `lsm`, in booted kernels: installs and first runs that nobody wrapped, and the daemon killed."""

import json
from typing import Any

import pytest

from kernels.machine import Machine
from kernels.matrix import Boot


@pytest.fixture(scope="module")
def seen(booted: tuple[Machine, Boot]) -> dict[str, Any]:
    """What came of them in this machine."""
    machine, boot = booted
    if boot.backend != "lsm":
        pytest.skip("tests/root proves the daemon on hooks")
    done = machine.run("python3", "/opt/guest/daemon.py", seconds=1200, PYTHONPATH="/opt/pratique")
    assert done.status == 0, done.output
    found: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    return found


def test_nobody_wrapped_them_and_nothing_is_taken(seen: dict[str, Any]) -> None:
    """The build and the import are refused the secret, which the import gets once the guard has ended."""
    assert (seen["backend"], seen["installed"]) == ("lsm", 0), seen["said"]
    assert seen["taken"] == []
    assert seen["control"] == ["taken-import"]


@pytest.mark.parametrize(
    ("stage", "rule", "package"),
    [
        ("build", "secrets.install", "pkg:pypi/thief@1.0"),
        ("first_run", "secrets.first-run", "pkg:pypi/lurker@1.0"),
    ],
)
def test_each_refusal_names_its_package(seen: dict[str, Any], stage: str, rule: str, package: str) -> None:
    """Enforced, in the right stage, also of a first run that a second daemon has taken over."""
    refused = seen[stage]
    assert {(each["rule"], each["package"], each["level"]) for each in refused} == {
        (rule, package, "enforced")
    }, seen["said"]


def test_the_package_is_seen_a_moment_after(seen: dict[str, Any]) -> None:
    """The kernel has answered and the process went on: its line is where its package was seen, and said so."""
    lines = [each["source"] for each in seen["first_run"] if each["source"]]
    assert ("linger", "sampled") in {(line["function"], line["quality"]) for line in lines}, seen["said"]
    assert {line["quality"] for line in lines} == {"sampled"}


def test_pins_refuse_without_the_daemon(seen: dict[str, Any]) -> None:
    """After SIGKILL what was labelled is still refused, others read, the next daemon takes over; no pin remains."""
    assert seen["pinned"] > 30
    assert (seen["guarded"], seen["killed"], seen["again"]) == ("0", "0", "0"), seen["said"]
    assert seen["between"] == "0", seen["said"]
    assert seen["unlabelled"] == "canary"
    assert (seen["status"], seen["left"]) == (0, [])
    assert "1 runs taken over" in seen["said"]


def test_an_upgrade_frees_nobody(seen: dict[str, Any]) -> None:
    """Other programs keep other tables: what the old ones labelled ends before they are let go."""
    assert seen["upgraded"] is False
    assert "1" not in str(seen["between"])
