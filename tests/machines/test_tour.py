"""The README's tour on three machines: refused and seen on one, blocked, and refused on the other."""

import json
from typing import Any

import pytest

from kernels.machine import Machine
from machines.conftest import Lab

_PIP = "pip install --quiet --break-system-packages --no-build-isolation --no-index --no-cache-dir --force-reinstall"
_INSTALL = f"{_PIP} --find-links /opt/shop thief"
_PURL = "pkg:pypi/thief@1.0"
_TAKEN = "/var/tmp/taken"
_WAIT = 120


def _taken(lab: Lab, machine: Machine) -> bool:
    """Whether the build got the secret; looking forgets."""
    return lab.say(machine, f"test -e {_TAKEN} && rm {_TAKEN}").status == 0


def _until(lab: Lab, machine: Machine, command: str) -> str:
    """What a command says once it succeeds."""
    done = lab.say(machine, f"for i in $(seq {_WAIT}); do {command} && exit 0; sleep 1; done; exit 1")
    assert done.status == 0, done.output
    return done.output


def _findings(lab: Lab) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lab.ask("export findings").splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def build_server(lab: Lab) -> Machine:
    """Provisioned, and enrolled by its token; it has a decoy secret and can install a thief."""
    lab.say(lab.build_server, "python3 /opt/guest/shop.py")
    lab.provision(lab.build_server, "build-server", lab.token())
    return lab.build_server


@pytest.fixture(scope="module")
def dev_machine(lab: Lab) -> Machine:
    """The same, with the services; the theft works there before they are."""
    lab.say(lab.dev_machine, "python3 /opt/guest/shop.py")
    assert lab.say(lab.dev_machine, _INSTALL).status == 0
    assert _taken(lab, lab.dev_machine)
    lab.provision(lab.dev_machine, "dev-machine", lab.token())
    return lab.dev_machine


def test_a_refused_job_fails_and_is_seen(lab: Lab, build_server: Machine) -> None:
    """Unguarded the secret is taken; in a job it is refused, the job fails, and the collector has the finding."""
    assert lab.say(build_server, _INSTALL).status == 0
    assert _taken(lab, build_server)

    job = lab.say(build_server, f"pratique run -- {_INSTALL}")
    assert (job.status, _taken(lab, build_server)) == (3, False), job.output
    _until(lab, lab.collector, "sudo -u pratique-collector pratique-server export findings "
                               "--data /var/lib/pratique-collector | grep -q thief")  # fmt: skip
    found = _findings(lab)
    assert {(each["package"], each["action"], each["host_name"]) for each in found} == {
        (_PURL, "denied", "build-server")
    }


def test_what_is_blocked_is_refused_on_the_other_machine(lab: Lab, dev_machine: Machine) -> None:
    """With its services up a plain `pip install` of what was blocked is refused before its first instruction."""
    lab.ask(f"policy block {_PURL} --reason 'it steals credentials'")
    enrolled = lab.say(dev_machine, "cat /var/lib/pratique/telemetry/enrolment.json").output
    told = (
        "sudo -u pratique-collector pratique-server policy progress blocks --data /var/lib/pratique-collector"
    )
    _until(lab, lab.collector, f"{told} | grep {json.loads(enrolled)['host_id']} | grep applied")

    tried = lab.say(dev_machine, _INSTALL)
    assert (tried.status != 0, _taken(lab, dev_machine)) == (True, False), tried.output
    told = lab.say(dev_machine, "journalctl --no-pager --output=cat --unit pratiqued").output
    assert "package.blocked" in told, (told, tried.output)


def test_systemd_keeps_the_daemon(lab: Lab, dev_machine: Machine) -> None:
    """One that is stuck is noticed by the watchdog, one that is killed comes back; both guard again at once."""
    state = "systemctl show --property=ActiveState --value pratiqued"
    assert _until(lab, dev_machine, f"[ $({state}) = active ] && echo up").split()[-1] == "up"
    for number, kill in enumerate(("KILL", "STOP"), 1):
        assert lab.say(dev_machine, f"systemctl kill --signal={kill} --kill-whom=main pratiqued").status == 0
        _until(lab, dev_machine, f"[ $(systemctl show -p NRestarts --value pratiqued) -ge {number} ] "
                                 f"&& [ $({state}) = active ]")  # fmt: skip
        assert lab.say(dev_machine, _INSTALL).status != 0
        assert not _taken(lab, dev_machine)


def test_uninstall_leaves_the_machine_as_it_was(lab: Lab, dev_machine: Machine) -> None:
    """Neither service, program of the kernel, pin nor state: the theft works again."""
    done = lab.say(dev_machine, "systemctl disable --quiet --now pratique-uplink; pratique uninstall --purge")
    assert done.status == 0, done.output
    left = "systemctl cat pratiqued; find /sys/fs/bpf -mindepth 1; ls -d /run/pratique /var/lib/pratique"
    assert lab.say(dev_machine, f"({left}) 2>/dev/null; true").output.strip() == ""
    assert lab.say(dev_machine, _INSTALL).status == 0
    assert _taken(lab, dev_machine)
