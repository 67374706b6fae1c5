"""What a guarded run looks like on the wire: told what processes did, it makes the batch a host would send."""

from collections import Counter
from typing import Any

from fleet import hosts
from pratique.api import columns, wire
from pratique.api.columns import Row, Shape
from pratique.api.v1 import events_pb2, run_pb2, telemetry_pb2, words_pb2

MS = 1_000
SECOND = 1_000_000
_RULES = {
    "secrets.install": ("A secret read while installing", "critical", ["T1552.001"],
                        "Code that runs because it is being installed has no business with credentials."),
    "secrets.first-run": ("A secret read at first run", "critical", ["T1552.001", "T1552.004"],
                          "Code that nobody has seen run before asked for credentials that are not its own."),
    "egress.install": ("Egress from an install script", "high", ["T1105", "T1041"],
                       "An install script talks to nobody but the index it came from."),
    "egress.metadata": ("The metadata service of the cloud", "critical", ["T1552.005"],
                        "Whoever reads it holds the rights of the whole machine."),
    "persistence.write": ("A place that runs by itself", "high", ["T1546.004"],
                          "What is written there runs again after the install is over."),
    "code.fresh": ("A freshly written file is executed", "medium", ["T1059"],
                   "The script wrote this program itself, a moment ago."),
    "exec.publish": ("A package manager publishes from an install", "critical", ["T1195.002"],
                     "This is how worms spread: an install never publishes."),
    "dns.tunnel": ("Names that carry data", "high", ["T1071.004", "T1048.003"],
                   "So many long names under one domain are not asked for their answers."),
    "exec.ai": ("An AI tool started by an install script", "high", ["T1059"],
                "Install scripts have used AI tools to look for secrets."),
    "egress.first-run": ("Freshly installed code speaks to a new host", "low", ["T1071.001"],
                         "Nobody has seen this code speak to this host before."),
}  # fmt: skip


class Recorder:
    """One run; times are counted from its start."""

    def __init__(self, run: str, started: int, command: list[str], manager: str, **about: Any) -> None:
        self.started = self.now = started
        self.summary = run_pb2.Run(
            id=run, command=command, description=" ".join(command), manager=manager, started_us=started,
            profile="standard", mode="enforce", judged=True, pratique_status=0, exit_status=0,
            policy=run_pb2.Policy(digest="sha256-6f1ed002ab5595859014ebf0951522d9", profile="standard"),
            versions={"pratique": "0.1.0", "kernel": "6.12.57", "python": "3.13.1"}, **about,
        )  # fmt: skip
        self.rows: list[Row] = []
        self.findings: list[run_pb2.Finding] = []
        self.packages: dict[str, run_pb2.Package] = {}
        self._processes: dict[int, run_pb2.Process] = {}
        self._labels: dict[int, tuple[int, int, int]] = {}
        self._pid = 4_100

    def process(self, parent: int, argv: list[str], actor: int, stage: int, purl: str = "") -> int:
        """Start a process; `purl` makes it the first of a package's own."""
        self._pid += 1
        origin = self._labels.get(parent, (0, 0, 0))[2]
        if purl:
            origin = self._pid
            self.package(purl, stage).origins.append(origin)
        exe = argv[0] if argv[0].startswith("/") else f"/usr/bin/{argv[0]}"
        told = run_pb2.Process(pid=self._pid, exe=exe, argv=argv, actor=actor)
        if parent:
            told.parent = parent
        self._processes[self._pid], self._labels[self._pid] = told, (stage, actor, origin)
        for kind in (events_pb2.KIND_FORK, events_pb2.KIND_EXEC):
            self._row(self._pid, kind, exe=exe, argv=tuple(argv), cwd=self.summary.cwd)
        return self._pid

    def package(self, purl: str, stage: int = 0, **more: Any) -> run_pb2.Package:
        """A package whose code runs here."""
        known = self.packages.get(purl)
        if known is None:
            name = purl.rpartition("/")[2].partition("@")[0]
            digest = f"sha512-{abs(hash((purl, 'd'))):x}".ljust(95, "f")
            known = run_pb2.Package(
                purl=purl, identity=words_pb2.QUALITY_VERIFIED, digests=[digest],
                source=f"https://index.example/{name}.tgz",
            )  # fmt: skip
            self.packages[purl] = known
        known.MergeFrom(run_pb2.Package(**more))
        if stage and stage not in known.stages:
            known.stages.append(stage)
        return known

    def act(
        self, pid: int, act: int, action: int = words_pb2.ACTION_ALLOW, rule: str = "", **fields: Any
    ) -> None:
        """An act, allowed unless said otherwise."""
        groups = fields.pop("groups", ())
        self._row(pid, events_pb2.KIND_ACT, act, action, rule, tuple(groups), **fields)
        if act in (words_pb2.ACT_NET_CONNECT, words_pb2.ACT_NET_DNS):
            self._peer(pid, act, action, fields)

    def fire(
        self,
        pid: int,
        rule: str,
        act: int,
        action: int = words_pb2.ACTION_DENY,
        *,
        allow: bool = True,
        **fields: Any,
    ) -> run_pb2.Finding:
        """An act that a rule fired on."""
        stage, actor, origin = self._labels[pid]
        groups, source = fields.pop("groups", ()), fields.pop("source", None)
        self.act(pid, act, action, rule, groups=groups, errno=13, **fields)
        title, severity, techniques, explain = _RULES[rule]
        owner = next((p for p in self.packages.values() if origin in p.origins), None)
        target = {name: fields[name] for name in ("path", "address", "port", "name", "exe") if name in fields}
        found = run_pb2.Finding(
            id=f"{self.summary.id}-{len(self.findings) + 1:04}", rule=rule, title=title, severity=severity,
            action=action, stage=stage, actor=actor, package=owner.purl if owner else "", act=act,
            identity=owner.identity if owner else words_pb2.QUALITY_UNKNOWN, groups=groups, count=1,
            level=words_pb2.LEVEL_ENFORCED if action >= words_pb2.ACTION_DENY else words_pb2.LEVEL_SEEN,
            process=self._processes[pid], ancestry=self._ancestry(pid), target=run_pb2.Target(**target),
            time_us=self.now, techniques=techniques, explain=explain, source=source,
        )  # fmt: skip
        if origin in self._processes:
            first = self._processes[origin]
            why = "the manager started it in the package's own directory"
            found.origin.CopyFrom(
                run_pb2.Origin(pid=origin, argv=first.argv, cwd=self.summary.cwd, reason=why)
            )
        if allow and owner:
            found.allow = _stanza(owner.purl, stage, act, target)
        if owner:
            owner.findings += 1
        self.findings.append(found)
        return found

    def exit(self, pid: int, status: int = 0) -> None:
        """The process ends."""
        self._row(pid, events_pb2.KIND_EXIT, status=status)

    def wait(self, microseconds: int) -> None:
        """Time passes."""
        self.now += microseconds

    def request(self) -> telemetry_pb2.PutBatchRequest:
        """The one batch of this run."""
        return self.request_of_part(self.rows)

    def request_of_part(self, rows: list[Row]) -> telemetry_pb2.PutBatchRequest:
        """The first batch of this run, with these of its events."""
        actions = {found.action for found in self.findings}
        refused = actions & {words_pb2.ACTION_DENY, words_pb2.ACTION_KILL}
        verdict = words_pb2.VERDICT_BLOCKED if refused else words_pb2.VERDICT_FINDINGS
        self.summary.verdict = verdict if actions else words_pb2.VERDICT_CLEAN
        self.summary.ended_us, self.summary.batches, self.summary.records = self.now, 1, len(self.rows)
        counted = Counter(row.origin for row in self.rows)
        for package in self.packages.values():
            package.events = sum(counted[origin] for origin in package.origins)
        made = self.more(rows, 1)
        made.MergeFrom(
            telemetry_pb2.PutBatchRequest(
                run=self.summary, findings=self.findings, packages=list(self.packages.values())
            )
        )
        return made

    def more(self, rows: list[Row], seq: int) -> telemetry_pb2.PutBatchRequest:
        """A batch of events alone."""
        packed = columns.encode(rows)
        return telemetry_pb2.PutBatchRequest(
            protocol=wire.PROTOCOL, run_id=self.summary.id, seq=seq, codec=telemetry_pb2.CODEC_COLUMNS_ZSTD,
            records=packed.records, payload=packed.payload, raw_size=packed.raw_size, first_us=packed.first_us,
            last_us=packed.last_us, made_us=self.now,
        )  # fmt: skip

    def _row(
        self, pid: int, kind: int, act: int = 0, action: int = 0, rule: str = "", groups: tuple[str, ...] = (),
        **fields: Any,
    ) -> None:  # fmt: skip
        stage, actor, origin = self._labels[pid]
        told = self._processes[pid]
        self.now += 3 * MS
        shape = Shape(kind, stage, actor, act, action, rule=rule, groups=groups)
        comm = told.argv[0].rpartition("/")[2][:15]
        row = Row(self.now, shape, pid, told.parent if told.HasField("parent") else 0, origin, comm)
        self.rows.append(row._replace(**fields))

    def _peer(self, pid: int, act: int, action: int, fields: dict[str, Any]) -> None:
        _, actor, origin = self._labels[pid]
        owner = next((p.purl for p in self.packages.values() if origin in p.origins), "")
        wanted = {name: fields[name] for name in ("address", "port", "name") if name in fields}
        self.summary.egress.add(act=act, actor=actor, package=owner, action=action, count=1, **wanted)

    def _ancestry(self, pid: int) -> list[run_pb2.Process]:
        chain: list[run_pb2.Process] = []
        told = self._processes[pid]
        while told.HasField("parent") and told.parent in self._processes:
            told = self._processes[told.parent]
            chain.insert(0, told)
        return chain


def _stanza(purl: str, stage: int, act: int, target: dict[str, Any]) -> str:
    """What the host would print."""
    kinds = {words_pb2.ACT_FILE_READ: "read", words_pb2.ACT_FILE_WRITE: "write", words_pb2.ACT_NET_CONNECT: "connect",
             words_pb2.ACT_NET_DNS: "dns", words_pb2.ACT_EXEC: "exec"}  # fmt: skip
    where = target.get("path") or target.get("exe") or target.get("name") or target.get("address", "")
    thing = f"{where}:{target['port']}" if "port" in target else where
    stages = {1: "resolve", 2: "build", 3: "script", 4: "first-run"}
    return "\n".join([
        "[[allow]]", f'package = "{purl}"', f'stage = ["{stages.get(stage, "script")}"]',
        f'{kinds.get(act, "exec")} = ["{thing}"]', 'reason = "say why"',
    ])  # fmt: skip


def run_id(number: int) -> str:
    """The id of run `number`."""
    return hosts.run_id(number)
