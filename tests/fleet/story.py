"""A fleet with two weeks behind it: installs as people do them, and replicas of the attacks that were reported.

Everything goes in by the collector's own door: messages as hosts send them, read as ingest reads them.
Nothing here is malicious, and every address is from the ranges kept for documentation.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fleet.recorder import MS, SECOND, Recorder, run_id
from pratique.api.v1 import run_pb2, telemetry_pb2, words_pb2
from pratique_server import moments
from pratique_server.ingest import reading, telemetry
from pratique_server.store.enrolment import Certificate
from pratique_server.store.store import Store

W = words_pb2
PASSWORD = "correct horse battery"  # noqa: S105 -- of people who do not exist
NAMES = ("build-1", "build-2", "dev-ada", "dev-grace", "ci-runner-7", "lab-old")
THIEF = "pkg:npm/left-padder@1.0.2"
_HOME = "/home/dev"
_LEVELS = {"enforced": W.LEVEL_ENFORCED, "killed-before": W.LEVEL_KILLED_BEFORE, "killed-after": W.LEVEL_KILLED_AFTER,
           "seen": W.LEVEL_SEEN, "blind": W.LEVEL_BLIND}  # fmt: skip
_COVERAGE = (
    ("exec", "wrapped runs", "enforced", "fanotify answers the open for exec"),
    ("exec.map", "ld.so FILE", "blind", "nothing here can ask before a map; fmod_ret does not load"),
    ("file.read", "guarded places", "enforced", "fanotify marks on the secrets and their directories"),
    ("file.write", "persistence places", "enforced", "bound read-only before the command starts"),
    ("file.rename", "into a missing place", "killed-after", "seen at the return of the call"),
    ("net.connect", "TCP, UDP", "enforced", "cgroup connect4 and connect6"),
    ("net.dns", "configured resolvers", "enforced", "refused at send"),
    ("ipc.connect", "unix sockets", "killed-before", "ended before the first send"),
    ("proc.memory", "ptrace", "killed-before", "filter of the wrapped run"),
    ("ring", "wrapped runs", "enforced", "creation answers ENOSYS"),
)


@dataclass
class Fleet:
    """What was written."""

    store: Store
    hosts: dict[str, str] = field(default_factory=dict)
    """Name → id."""
    runs: dict[str, str] = field(default_factory=dict)
    """Id → id of its host, the newest last."""

    def put(self, *sent: tuple[str, telemetry_pb2.PutBatchRequest, int]) -> None:
        """Store what hosts sent, each as if it came at a moment."""
        batches = [reading.batch(request, self.hosts[name], received) for name, request, received in sent]
        self.store.writer.write(batches)
        self.runs |= {request.run_id: self.hosts[name] for name, request, _ in sent}


def people(store: Store) -> None:
    """Somebody of each role; all have the same password."""
    for name, role in (("vera", "viewer"), ("anton", "analyst"), ("ada", "admin"), ("ben", "admin")):
        store.people.add(name, role, PASSWORD)


def enrol(fleet: Fleet, names: tuple[str, ...], now: int, silent: tuple[str, ...] = ()) -> None:
    """Hosts that joined three weeks ago and told how they are guarded."""
    for number, name in enumerate(names):
        host = f"h-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        secret = hashlib.sha256(f"token {name}".encode()).hexdigest()
        fleet.store.enrolment.make_token(secret, name, "ada", 600)
        serial = Certificate(f"{number:08x}{secret[:8]}", now, now + moments.DAY)
        fleet.store.enrolment.join(secret, host, name, serial)
        fleet.hosts[name] = host
        heard = now - 3 * moments.DAY if name in silent else now - 40 * SECOND
        fleet.store.enrolment.tell(host, _state(name, heard))


def tell(store: Store, now: int | None = None, days: int = 14, seed: int = 7) -> Fleet:
    """The whole story."""
    now, chance = now or moments.now(), random.Random(seed)
    fleet = Fleet(store)
    people(store)
    enrol(fleet, NAMES, now, ("lab-old",))
    told = enumerate(_calendar(chance, now, days), start=1)
    fleet.put(*(
        (name, story(run_id(number * 7_919), when, chance).request(), min(when + 4 * SECOND, now))
        for number, (when, name, story) in told
    ))  # fmt: skip
    _decisions(store)
    return fleet


def _calendar(
    chance: random.Random, now: int, days: int
) -> Iterator[tuple[int, str, Callable[[str, int, random.Random], Recorder]]]:
    """Who ran what, when."""
    quiet = [rich, esbuild, numpy, requests, prisma, padder_before]
    for back in range(days - 1, -1, -1):
        for step in range(chance.randint(3, 9) if back % 7 > 1 else 2):
            when = now - back * moments.DAY - (9 - step) * 2_200 * SECOND - chance.randrange(900) * SECOND
            yield when, chance.choice(NAMES[:5]), chance.choice(quiet)
        if back == 9:
            yield now - back * moments.DAY - 60 * SECOND, "dev-grace", tunnel
        if back == 3:
            yield now - back * moments.DAY, "ci-runner-7", worm
    for minutes, name, story in _TODAY:
        yield now - minutes * 60 * SECOND, name, story


def rich(run: str, when: int, _: random.Random) -> Recorder:
    """A clean install of wheels."""
    made = Recorder(
        run, when, ["pip", "install", "rich"], "pip", cwd=f"{_HOME}/app", user="dev", backend="hooks"
    )
    pip = made.process(
        0, ["/usr/bin/python3", "-m", "pip", "install", "rich"], W.ACTOR_MANAGER, W.STAGE_RESOLVE
    )
    _download(made, pip)
    made.exit(pip)
    return made


def requests(run: str, when: int, _: random.Random) -> Recorder:
    """A first run that speaks to a host nobody has seen."""
    made = Recorder(run, when, ["python", "sync.py"], "", cwd=f"{_HOME}/sync", user="dev", backend="hooks")
    python = made.process(0, ["python", "sync.py"], W.ACTOR_COMMAND, W.STAGE_FIRST_RUN)
    purl = "pkg:pypi/requests@2.34.0"
    code = made.process(python, ["python", "-c", "import requests"], W.ACTOR_PACKAGE, W.STAGE_FIRST_RUN, purl)
    made.act(code, W.ACT_NET_CONNECT, name="api.partner.example", address="198.51.100.20", port=443)
    made.exit(code)
    made.exit(python)
    return made


def esbuild(run: str, when: int, _: random.Random) -> Recorder:
    """A clean install whose script runs a program it brought."""
    made = Recorder(
        run, when, ["npm", "install", "esbuild"], "npm", cwd=f"{_HOME}/web", user="dev", backend="hooks"
    )
    npm = made.process(0, ["npm", "install", "esbuild"], W.ACTOR_MANAGER, W.STAGE_RESOLVE)
    _download(made, npm)
    shell = made.process(
        npm, ["sh", "-c", "node install.js"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT, "pkg:npm/esbuild@0.25.4"
    )
    node = made.process(shell, ["node", "install.js"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT)
    tool = f"{_HOME}/web/node_modules/@esbuild/linux-x64/bin/esbuild"
    made.exit(made.process(node, [tool, "--version"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT))
    _end(made, node, shell, npm)
    return made


def numpy(run: str, when: int, chance: random.Random) -> Recorder:
    """A build: a compiler is started many times, and nothing is wrong with that."""
    command = ["pip", "install", "--no-binary", ":all:", "numpy"]
    made = Recorder(run, when, command, "pip", cwd=f"{_HOME}/model", user="dev", backend="hooks")
    pip = made.process(
        0, ["/usr/bin/python3", "-m", "pip", "install", "numpy"], W.ACTOR_MANAGER, W.STAGE_RESOLVE
    )
    _download(made, pip)
    meson = made.process(
        pip, ["meson", "setup", "build"], W.ACTOR_PACKAGE, W.STAGE_BUILD, "pkg:pypi/numpy@2.4.1"
    )
    ninja = made.process(meson, ["ninja", "-C", "build"], W.ACTOR_PACKAGE, W.STAGE_BUILD)
    for step in range(chance.randint(20, 45)):
        cc = made.process(
            ninja, ["cc", "-O2", "-c", f"src/{step}.c", "-o", f"{step}.o"], W.ACTOR_PACKAGE, W.STAGE_BUILD
        )
        made.wait(chance.randrange(40) * MS)
        made.exit(cc)
    _end(made, ninja, meson, pip)
    return made


def prisma(run: str, when: int, _: random.Random) -> Recorder:
    """A legitimate engine download that the default rules only record."""
    made = Recorder(
        run, when, ["npm", "install", "prisma"], "npm", cwd=f"{_HOME}/api", user="dev", backend="hooks"
    )
    npm = made.process(0, ["npm", "install", "prisma"], W.ACTOR_MANAGER, W.STAGE_RESOLVE)
    _download(made, npm)
    purl = "pkg:npm/%40prisma/engines@6.9.0"
    node = made.process(npm, ["node", "scripts/postinstall.js"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT, purl)
    made.act(node, W.ACT_NET_CONNECT, name="binaries.prisma.example", address="198.51.100.77", port=443)
    engine = f"{_HOME}/.cache/prisma/master/schema-engine"
    made.fire(node, "code.fresh", W.ACT_EXEC, W.ACTION_AUDIT, exe=engine, path=engine)
    made.exit(made.process(node, [engine, "--version"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT))
    _end(made, node, npm)
    return made


def padder_before(run: str, when: int, chance: random.Random) -> Recorder:
    """What the package did before it was taken over: a banner."""
    made = Recorder(
        run, when, ["npm", "install", "web-kit"], "npm", cwd=f"{_HOME}/shop", user="dev", backend="hooks"
    )
    npm = made.process(0, ["npm", "install", "web-kit"], W.ACTOR_MANAGER, W.STAGE_RESOLVE)
    _download(made, npm)
    purl = f"pkg:npm/left-padder@1.0.{chance.randrange(2)}"
    node = made.process(npm, ["node", "banner.js"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT, purl)
    made.package(purl, direct=False, requested=["web-kit"])
    _end(made, node, npm)
    return made


def padder(run: str, when: int, _: random.Random) -> Recorder:
    """A dependency of a dependency steals, phones home and plants itself."""
    made = Recorder(run, when, ["npm", "install", "web-kit"], "npm", cwd=f"{_HOME}/shop", user="dev", backend="hooks",
                    environment=["AWS_SECRET_ACCESS_KEY", "NPM_TOKEN"])  # fmt: skip
    npm = made.process(0, ["npm", "install", "web-kit"], W.ACTOR_MANAGER, W.STAGE_RESOLVE)
    _download(made, npm)
    shell = made.process(npm, ["sh", "-c", "node setup.js"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT, THIEF)
    made.package(THIEF, direct=False, requested=["web-kit"])
    node = made.process(shell, ["node", "setup.js"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT)
    made.wait(120 * MS)
    made.fire(node, "secrets.install", W.ACT_FILE_READ, path="~/.aws/credentials", groups=["secrets.aws"])
    made.fire(node, "secrets.install", W.ACT_FILE_READ, path="~/.npmrc", groups=["secrets.npm"])
    made.fire(
        node, "egress.install", W.ACT_NET_CONNECT, address="203.0.113.9", port=8443, name="cdn-check.example"
    )
    made.fire(
        node,
        "persistence.write",
        W.ACT_FILE_WRITE,
        path="~/.bashrc",
        groups=["persistence.shell"],
        allow=False,
    )
    made.wait(60 * MS)
    drop = made.process(node, ["/tmp/.x9f", "--daemon"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT)
    made.fire(drop, "code.fresh", W.ACT_EXEC, W.ACTION_AUDIT, exe="/tmp/.x9f", path="/tmp/.x9f")
    _end(made, drop, node, shell, npm)
    return made


def importer(run: str, when: int, _: random.Random) -> Recorder:
    """An import that reads keys and looks for the metadata service."""
    made = Recorder(
        run, when, ["python", "train.py"], "", cwd=f"{_HOME}/model", user="grace", backend="hooks"
    )
    python = made.process(0, ["python", "train.py"], W.ACTOR_COMMAND, W.STAGE_FIRST_RUN)
    purl = "pkg:pypi/torch-helpers@0.4.1"
    code = made.process(python, ["python", "train.py"], W.ACTOR_PACKAGE, W.STAGE_FIRST_RUN, purl)
    line = run_pb2.SourceLine(
        file="site-packages/torch_helpers/__init__.py", line=12, function="_warm", quality="exact"
    )
    made.fire(
        code,
        "secrets.first-run",
        W.ACT_FILE_READ,
        path="~/.ssh/id_ed25519",
        groups=["secrets.ssh"],
        source=line,
    )
    made.fire(code, "egress.metadata", W.ACT_NET_CONNECT, address="169.254.169.254", port=80, allow=False)
    made.fire(
        code, "secrets.first-run", W.ACT_FILE_READ, W.ACTION_AUDIT, path="./.env", groups=["secrets.project"]
    )
    _end(made, code, python)
    return made


def tunnel(run: str, when: int, chance: random.Random) -> Recorder:
    """Dependency confusion that reports home by the names it looks up."""
    made = Recorder(
        run,
        when,
        ["pip", "install", "acme-internal"],
        "pip",
        cwd=f"{_HOME}/acme",
        user="grace",
        backend="hooks",
    )
    pip = made.process(
        0, ["/usr/bin/python3", "-m", "pip", "install", "acme-internal"], W.ACTOR_MANAGER, W.STAGE_RESOLVE
    )
    _download(made, pip)
    purl = "pkg:pypi/acme-internal@99.0.0"
    setup = made.process(pip, ["python3", "setup.py", "egg_info"], W.ACTOR_PACKAGE, W.STAGE_BUILD, purl)
    for _ in range(6):
        name = f"{chance.getrandbits(120):x}.t.example"
        made.act(setup, W.ACT_NET_DNS, W.ACTION_DENY, "dns.tunnel", name=name)
        made.wait(80 * MS)
    made.fire(setup, "dns.tunnel", W.ACT_NET_DNS, name=f"{chance.getrandbits(120):x}.t.example")
    _end(made, setup, pip)
    return made


def worm(run: str, when: int, _: random.Random) -> Recorder:
    """A worm: it asks an AI tool to look around, and publishes itself."""
    made = Recorder(run, when, ["npm", "ci"], "npm", cwd="/srv/ci/job-81", user="ci", backend="lsm")
    npm = made.process(0, ["npm", "ci"], W.ACTOR_MANAGER, W.STAGE_RESOLVE)
    _download(made, npm)
    purl = "pkg:npm/cache-vault@3.1.4"
    node = made.process(npm, ["node", "setup.mjs"], W.ACTOR_PACKAGE, W.STAGE_SCRIPT, purl)
    made.package(purl, direct=True)
    made.fire(node, "exec.ai", W.ACT_EXEC, exe="/usr/local/bin/assistant", path="/usr/local/bin/assistant")
    made.fire(node, "exec.publish", W.ACT_EXEC, exe="/usr/bin/npm", path="/usr/bin/npm", allow=False)
    made.fire(node, "secrets.install", W.ACT_FILE_READ, path="~/.npmrc", groups=["secrets.npm"])
    _end(made, node, npm)
    return made


def _download(made: Recorder, pid: int) -> None:
    made.act(pid, W.ACT_NET_DNS, name="index.example")
    made.act(pid, W.ACT_NET_CONNECT, name="index.example", address="198.51.100.10", port=443)
    made.wait(300 * MS)


def _end(made: Recorder, *pids: int) -> None:
    for pid in pids:
        made.wait(20 * MS)
        made.exit(pid)


def _state(name: str, heard: int) -> dict[str, object]:
    """What a host tells of itself, through ingest's own reading of it."""
    backend = "lsm" if name.startswith("ci") else "hooks"
    rows = [
        run_pb2.Coverage(
            act=_act(act), when=when, level=_LEVELS["enforced" if backend == "lsm" else level], reason=why
        )
        for act, when, level, why in _COVERAGE
    ]
    told = telemetry_pb2.Host(
        name=name, observed_us=heard, backend=backend, coverage=rows,
        versions={"pratique": "0.1.0", "kernel": "6.12.57"},
    )  # fmt: skip
    return telemetry._facts(told, heard)


def _act(word: str) -> int:
    return W.Act.Value("ACT_" + word.upper().replace(".", "_"))


def _decisions(store: Store) -> None:
    """A policy in force, and one that waits."""
    first = store.decisions.propose('profile = "standard"\n', "the first policy of the organisation", "anton")
    store.decisions.decide(first, "ada", accept=True)
    store.people.note("ada", "policy accepted", f"policy {first}")
    stanza = '\n[[allow]]\npackage = "pkg:npm/%40prisma/engines@>=6"\nexec = ["~/.cache/prisma/**"]\n'
    stanza += 'reason = "it brings an engine and runs it"\n'
    store.decisions.propose('profile = "standard"\n' + stanza, "let prisma run its engine", "anton")


_TODAY = (
    (190, "dev-ada", padder), (64, "build-1", padder), (21, "dev-grace", importer), (9, "build-1", prisma),
    (4, "ci-runner-7", padder), (1, "build-2", rich),
)  # fmt: skip
