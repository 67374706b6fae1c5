from pratique.api.v1 import words_pb2 as _words_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_FORK: _ClassVar[Kind]
    KIND_EXEC: _ClassVar[Kind]
    KIND_EXIT: _ClassVar[Kind]
    KIND_ACT: _ClassVar[Kind]
KIND_UNSPECIFIED: Kind
KIND_FORK: Kind
KIND_EXEC: Kind
KIND_EXIT: Kind
KIND_ACT: Kind

class Shape(_message.Message):
    __slots__ = ("kind", "stage", "actor", "act", "action", "would", "level", "tainted", "rule", "groups")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ACT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    WOULD_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TAINTED_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    kind: Kind
    stage: _words_pb2.Stage
    actor: _words_pb2.Actor
    act: _words_pb2.Act
    action: _words_pb2.Action
    would: _words_pb2.Action
    level: _words_pb2.Level
    tainted: bool
    rule: int
    groups: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, kind: _Optional[_Union[Kind, str]] = ..., stage: _Optional[_Union[_words_pb2.Stage, str]] = ..., actor: _Optional[_Union[_words_pb2.Actor, str]] = ..., act: _Optional[_Union[_words_pb2.Act, str]] = ..., action: _Optional[_Union[_words_pb2.Action, str]] = ..., would: _Optional[_Union[_words_pb2.Action, str]] = ..., level: _Optional[_Union[_words_pb2.Level, str]] = ..., tainted: bool = ..., rule: _Optional[int] = ..., groups: _Optional[_Iterable[int]] = ...) -> None: ...

class Columns(_message.Message):
    __slots__ = ("records", "text", "shapes", "shape", "time_us", "pid", "ppid", "origin", "comm", "exe", "interp", "cwd", "argv", "argv_words", "path", "to", "address", "port", "name", "protocol", "request", "errno", "status", "victim", "more")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SHAPES_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    PPID_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    COMM_FIELD_NUMBER: _ClassVar[int]
    EXE_FIELD_NUMBER: _ClassVar[int]
    INTERP_FIELD_NUMBER: _ClassVar[int]
    CWD_FIELD_NUMBER: _ClassVar[int]
    ARGV_FIELD_NUMBER: _ClassVar[int]
    ARGV_WORDS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    ERRNO_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VICTIM_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    records: int
    text: _containers.RepeatedScalarFieldContainer[str]
    shapes: _containers.RepeatedCompositeFieldContainer[Shape]
    shape: _containers.RepeatedScalarFieldContainer[int]
    time_us: _containers.RepeatedScalarFieldContainer[int]
    pid: _containers.RepeatedScalarFieldContainer[int]
    ppid: _containers.RepeatedScalarFieldContainer[int]
    origin: _containers.RepeatedScalarFieldContainer[int]
    comm: _containers.RepeatedScalarFieldContainer[int]
    exe: _containers.RepeatedScalarFieldContainer[int]
    interp: _containers.RepeatedScalarFieldContainer[int]
    cwd: _containers.RepeatedScalarFieldContainer[int]
    argv: _containers.RepeatedScalarFieldContainer[int]
    argv_words: _containers.RepeatedScalarFieldContainer[int]
    path: _containers.RepeatedScalarFieldContainer[int]
    to: _containers.RepeatedScalarFieldContainer[int]
    address: _containers.RepeatedScalarFieldContainer[int]
    port: _containers.RepeatedScalarFieldContainer[int]
    name: _containers.RepeatedScalarFieldContainer[int]
    protocol: _containers.RepeatedScalarFieldContainer[int]
    request: _containers.RepeatedScalarFieldContainer[int]
    errno: _containers.RepeatedScalarFieldContainer[int]
    status: _containers.RepeatedScalarFieldContainer[int]
    victim: _containers.RepeatedScalarFieldContainer[int]
    more: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, records: _Optional[int] = ..., text: _Optional[_Iterable[str]] = ..., shapes: _Optional[_Iterable[_Union[Shape, _Mapping]]] = ..., shape: _Optional[_Iterable[int]] = ..., time_us: _Optional[_Iterable[int]] = ..., pid: _Optional[_Iterable[int]] = ..., ppid: _Optional[_Iterable[int]] = ..., origin: _Optional[_Iterable[int]] = ..., comm: _Optional[_Iterable[int]] = ..., exe: _Optional[_Iterable[int]] = ..., interp: _Optional[_Iterable[int]] = ..., cwd: _Optional[_Iterable[int]] = ..., argv: _Optional[_Iterable[int]] = ..., argv_words: _Optional[_Iterable[int]] = ..., path: _Optional[_Iterable[int]] = ..., to: _Optional[_Iterable[int]] = ..., address: _Optional[_Iterable[int]] = ..., port: _Optional[_Iterable[int]] = ..., name: _Optional[_Iterable[int]] = ..., protocol: _Optional[_Iterable[int]] = ..., request: _Optional[_Iterable[int]] = ..., errno: _Optional[_Iterable[int]] = ..., status: _Optional[_Iterable[int]] = ..., victim: _Optional[_Iterable[int]] = ..., more: _Optional[_Iterable[int]] = ...) -> None: ...
