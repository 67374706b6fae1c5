from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DocumentKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOCUMENT_KIND_UNSPECIFIED: _ClassVar[DocumentKind]
    DOCUMENT_KIND_POLICY: _ClassVar[DocumentKind]
    DOCUMENT_KIND_APPROVALS: _ClassVar[DocumentKind]
    DOCUMENT_KIND_BLOCKS: _ClassVar[DocumentKind]
DOCUMENT_KIND_UNSPECIFIED: DocumentKind
DOCUMENT_KIND_POLICY: DocumentKind
DOCUMENT_KIND_APPROVALS: DocumentKind
DOCUMENT_KIND_BLOCKS: DocumentKind

class WatchRequest(_message.Message):
    __slots__ = ("protocol", "held")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    held: _containers.RepeatedCompositeFieldContainer[Held]
    def __init__(self, protocol: _Optional[int] = ..., held: _Optional[_Iterable[_Union[Held, _Mapping]]] = ...) -> None: ...

class Held(_message.Message):
    __slots__ = ("kind", "version")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    kind: DocumentKind
    version: int
    def __init__(self, kind: _Optional[_Union[DocumentKind, str]] = ..., version: _Optional[int] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("document", "time_us")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    document: Document
    time_us: int
    def __init__(self, document: _Optional[_Union[Document, _Mapping]] = ..., time_us: _Optional[int] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("kind", "version", "policy", "approvals", "blocks")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    kind: DocumentKind
    version: int
    policy: str
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    blocks: _containers.RepeatedCompositeFieldContainer[Block]
    def __init__(self, kind: _Optional[_Union[DocumentKind, str]] = ..., version: _Optional[int] = ..., policy: _Optional[str] = ..., approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ..., blocks: _Optional[_Iterable[_Union[Block, _Mapping]]] = ...) -> None: ...

class Approval(_message.Message):
    __slots__ = ("purl", "digest", "reason", "people", "expires_s")
    PURL_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_S_FIELD_NUMBER: _ClassVar[int]
    purl: str
    digest: str
    reason: str
    people: _containers.RepeatedScalarFieldContainer[str]
    expires_s: int
    def __init__(self, purl: _Optional[str] = ..., digest: _Optional[str] = ..., reason: _Optional[str] = ..., people: _Optional[_Iterable[str]] = ..., expires_s: _Optional[int] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("purl", "reason", "digest", "host_name")
    PURL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    HOST_NAME_FIELD_NUMBER: _ClassVar[int]
    purl: str
    reason: str
    digest: str
    host_name: str
    def __init__(self, purl: _Optional[str] = ..., reason: _Optional[str] = ..., digest: _Optional[str] = ..., host_name: _Optional[str] = ...) -> None: ...

class AcknowledgeRequest(_message.Message):
    __slots__ = ("protocol", "kind", "version", "applied", "problem")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    kind: DocumentKind
    version: int
    applied: bool
    problem: str
    def __init__(self, protocol: _Optional[int] = ..., kind: _Optional[_Union[DocumentKind, str]] = ..., version: _Optional[int] = ..., applied: bool = ..., problem: _Optional[str] = ...) -> None: ...

class AcknowledgeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
