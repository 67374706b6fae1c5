from pratique.api.v1 import words_pb2 as _words_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Run(_message.Message):
    __slots__ = ("id", "command", "description", "cwd", "user", "host_name", "manager", "profile", "mode", "backend", "started_us", "ended_us", "exit_status", "signal", "pratique_status", "verdict", "incomplete", "lost_events", "guard_lost", "judged", "environment", "versions", "notes", "coverage", "policy", "counts", "egress", "batches", "records", "findings_omitted", "installed", "installed_omitted")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CWD_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    HOST_NAME_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    STARTED_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_US_FIELD_NUMBER: _ClassVar[int]
    EXIT_STATUS_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    PRATIQUE_STATUS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    LOST_EVENTS_FIELD_NUMBER: _ClassVar[int]
    GUARD_LOST_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    EGRESS_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_OMITTED_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_OMITTED_FIELD_NUMBER: _ClassVar[int]
    id: str
    command: _containers.RepeatedScalarFieldContainer[str]
    description: str
    cwd: str
    user: str
    host_name: str
    manager: str
    profile: str
    mode: str
    backend: str
    started_us: int
    ended_us: int
    exit_status: int
    signal: int
    pratique_status: int
    verdict: _words_pb2.Verdict
    incomplete: bool
    lost_events: int
    guard_lost: str
    judged: bool
    environment: _containers.RepeatedScalarFieldContainer[str]
    versions: _containers.ScalarMap[str, str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    coverage: _containers.RepeatedCompositeFieldContainer[Coverage]
    policy: Policy
    counts: _containers.ScalarMap[str, int]
    egress: _containers.RepeatedCompositeFieldContainer[Peer]
    batches: int
    records: int
    findings_omitted: int
    installed: _containers.RepeatedCompositeFieldContainer[Installed]
    installed_omitted: int
    def __init__(self, id: _Optional[str] = ..., command: _Optional[_Iterable[str]] = ..., description: _Optional[str] = ..., cwd: _Optional[str] = ..., user: _Optional[str] = ..., host_name: _Optional[str] = ..., manager: _Optional[str] = ..., profile: _Optional[str] = ..., mode: _Optional[str] = ..., backend: _Optional[str] = ..., started_us: _Optional[int] = ..., ended_us: _Optional[int] = ..., exit_status: _Optional[int] = ..., signal: _Optional[int] = ..., pratique_status: _Optional[int] = ..., verdict: _Optional[_Union[_words_pb2.Verdict, str]] = ..., incomplete: bool = ..., lost_events: _Optional[int] = ..., guard_lost: _Optional[str] = ..., judged: bool = ..., environment: _Optional[_Iterable[str]] = ..., versions: _Optional[_Mapping[str, str]] = ..., notes: _Optional[_Iterable[str]] = ..., coverage: _Optional[_Iterable[_Union[Coverage, _Mapping]]] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., counts: _Optional[_Mapping[str, int]] = ..., egress: _Optional[_Iterable[_Union[Peer, _Mapping]]] = ..., batches: _Optional[int] = ..., records: _Optional[int] = ..., findings_omitted: _Optional[int] = ..., installed: _Optional[_Iterable[_Union[Installed, _Mapping]]] = ..., installed_omitted: _Optional[int] = ...) -> None: ...

class Installed(_message.Message):
    __slots__ = ("purl", "identity", "digest")
    PURL_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    purl: str
    identity: _words_pb2.Quality
    digest: str
    def __init__(self, purl: _Optional[str] = ..., identity: _Optional[_Union[_words_pb2.Quality, str]] = ..., digest: _Optional[str] = ...) -> None: ...

class Coverage(_message.Message):
    __slots__ = ("act", "when", "level", "reason")
    ACT_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    act: _words_pb2.Act
    when: str
    level: _words_pb2.Level
    reason: str
    def __init__(self, act: _Optional[_Union[_words_pb2.Act, str]] = ..., when: _Optional[str] = ..., level: _Optional[_Union[_words_pb2.Level, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("digest", "profile", "sources")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    digest: str
    profile: str
    sources: _containers.RepeatedCompositeFieldContainer[PolicySource]
    def __init__(self, digest: _Optional[str] = ..., profile: _Optional[str] = ..., sources: _Optional[_Iterable[_Union[PolicySource, _Mapping]]] = ...) -> None: ...

class PolicySource(_message.Message):
    __slots__ = ("path", "digest", "kind", "trusted")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_FIELD_NUMBER: _ClassVar[int]
    path: str
    digest: str
    kind: str
    trusted: bool
    def __init__(self, path: _Optional[str] = ..., digest: _Optional[str] = ..., kind: _Optional[str] = ..., trusted: bool = ...) -> None: ...

class Package(_message.Message):
    __slots__ = ("purl", "identity", "candidates", "source", "stages", "direct", "requested", "digests", "events", "findings", "origins")
    PURL_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    DIRECT_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    purl: str
    identity: _words_pb2.Quality
    candidates: _containers.RepeatedScalarFieldContainer[str]
    source: str
    stages: _containers.RepeatedScalarFieldContainer[_words_pb2.Stage]
    direct: bool
    requested: _containers.RepeatedScalarFieldContainer[str]
    digests: _containers.RepeatedScalarFieldContainer[str]
    events: int
    findings: int
    origins: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, purl: _Optional[str] = ..., identity: _Optional[_Union[_words_pb2.Quality, str]] = ..., candidates: _Optional[_Iterable[str]] = ..., source: _Optional[str] = ..., stages: _Optional[_Iterable[_Union[_words_pb2.Stage, str]]] = ..., direct: bool = ..., requested: _Optional[_Iterable[str]] = ..., digests: _Optional[_Iterable[str]] = ..., events: _Optional[int] = ..., findings: _Optional[int] = ..., origins: _Optional[_Iterable[int]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("id", "rule", "title", "severity", "action", "would", "level", "stage", "actor", "package", "identity", "candidates", "origin", "process", "ancestry", "act", "target", "groups", "tainted", "time_us", "count", "source", "techniques", "explain", "allow")
    ID_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    WOULD_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    ANCESTRY_FIELD_NUMBER: _ClassVar[int]
    ACT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    TAINTED_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TECHNIQUES_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FIELD_NUMBER: _ClassVar[int]
    id: str
    rule: str
    title: str
    severity: str
    action: _words_pb2.Action
    would: _words_pb2.Action
    level: _words_pb2.Level
    stage: _words_pb2.Stage
    actor: _words_pb2.Actor
    package: str
    identity: _words_pb2.Quality
    candidates: _containers.RepeatedScalarFieldContainer[str]
    origin: Origin
    process: Process
    ancestry: _containers.RepeatedCompositeFieldContainer[Process]
    act: _words_pb2.Act
    target: Target
    groups: _containers.RepeatedScalarFieldContainer[str]
    tainted: bool
    time_us: int
    count: int
    source: SourceLine
    techniques: _containers.RepeatedScalarFieldContainer[str]
    explain: str
    allow: str
    def __init__(self, id: _Optional[str] = ..., rule: _Optional[str] = ..., title: _Optional[str] = ..., severity: _Optional[str] = ..., action: _Optional[_Union[_words_pb2.Action, str]] = ..., would: _Optional[_Union[_words_pb2.Action, str]] = ..., level: _Optional[_Union[_words_pb2.Level, str]] = ..., stage: _Optional[_Union[_words_pb2.Stage, str]] = ..., actor: _Optional[_Union[_words_pb2.Actor, str]] = ..., package: _Optional[str] = ..., identity: _Optional[_Union[_words_pb2.Quality, str]] = ..., candidates: _Optional[_Iterable[str]] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ..., process: _Optional[_Union[Process, _Mapping]] = ..., ancestry: _Optional[_Iterable[_Union[Process, _Mapping]]] = ..., act: _Optional[_Union[_words_pb2.Act, str]] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., groups: _Optional[_Iterable[str]] = ..., tainted: bool = ..., time_us: _Optional[int] = ..., count: _Optional[int] = ..., source: _Optional[_Union[SourceLine, _Mapping]] = ..., techniques: _Optional[_Iterable[str]] = ..., explain: _Optional[str] = ..., allow: _Optional[str] = ...) -> None: ...

class Origin(_message.Message):
    __slots__ = ("pid", "argv", "cwd", "reason")
    PID_FIELD_NUMBER: _ClassVar[int]
    ARGV_FIELD_NUMBER: _ClassVar[int]
    CWD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    pid: int
    argv: _containers.RepeatedScalarFieldContainer[str]
    cwd: str
    reason: str
    def __init__(self, pid: _Optional[int] = ..., argv: _Optional[_Iterable[str]] = ..., cwd: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Process(_message.Message):
    __slots__ = ("pid", "exe", "argv", "parent", "actor")
    PID_FIELD_NUMBER: _ClassVar[int]
    EXE_FIELD_NUMBER: _ClassVar[int]
    ARGV_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    pid: int
    exe: str
    argv: _containers.RepeatedScalarFieldContainer[str]
    parent: int
    actor: _words_pb2.Actor
    def __init__(self, pid: _Optional[int] = ..., exe: _Optional[str] = ..., argv: _Optional[_Iterable[str]] = ..., parent: _Optional[int] = ..., actor: _Optional[_Union[_words_pb2.Actor, str]] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("path", "to", "address", "port", "name", "exe", "request", "protocol", "pid", "more")
    PATH_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    path: str
    to: str
    address: str
    port: int
    name: str
    exe: str
    request: str
    protocol: str
    pid: int
    more: str
    def __init__(self, path: _Optional[str] = ..., to: _Optional[str] = ..., address: _Optional[str] = ..., port: _Optional[int] = ..., name: _Optional[str] = ..., exe: _Optional[str] = ..., request: _Optional[str] = ..., protocol: _Optional[str] = ..., pid: _Optional[int] = ..., more: _Optional[str] = ...) -> None: ...

class SourceLine(_message.Message):
    __slots__ = ("file", "line", "function", "quality")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    file: str
    line: int
    function: str
    quality: str
    def __init__(self, file: _Optional[str] = ..., line: _Optional[int] = ..., function: _Optional[str] = ..., quality: _Optional[str] = ...) -> None: ...

class Peer(_message.Message):
    __slots__ = ("act", "address", "port", "name", "actor", "package", "action", "count")
    ACT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    act: _words_pb2.Act
    address: str
    port: int
    name: str
    actor: _words_pb2.Actor
    package: str
    action: _words_pb2.Action
    count: int
    def __init__(self, act: _Optional[_Union[_words_pb2.Act, str]] = ..., address: _Optional[str] = ..., port: _Optional[int] = ..., name: _Optional[str] = ..., actor: _Optional[_Union[_words_pb2.Actor, str]] = ..., package: _Optional[str] = ..., action: _Optional[_Union[_words_pb2.Action, str]] = ..., count: _Optional[int] = ...) -> None: ...
