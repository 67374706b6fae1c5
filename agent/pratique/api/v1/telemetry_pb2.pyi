from pratique.api.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Codec(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODEC_UNSPECIFIED: _ClassVar[Codec]
    CODEC_COLUMNS_ZSTD: _ClassVar[Codec]

class Receipt(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECEIPT_UNSPECIFIED: _ClassVar[Receipt]
    RECEIPT_STORED: _ClassVar[Receipt]
    RECEIPT_REFUSED: _ClassVar[Receipt]

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_SPOOL_FULL: _ClassVar[GapReason]
    GAP_REASON_SPOOL_DAMAGED: _ClassVar[GapReason]
    GAP_REASON_REFUSED: _ClassVar[GapReason]
    GAP_REASON_WRITE_FAILED: _ClassVar[GapReason]
CODEC_UNSPECIFIED: Codec
CODEC_COLUMNS_ZSTD: Codec
RECEIPT_UNSPECIFIED: Receipt
RECEIPT_STORED: Receipt
RECEIPT_REFUSED: Receipt
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_SPOOL_FULL: GapReason
GAP_REASON_SPOOL_DAMAGED: GapReason
GAP_REASON_REFUSED: GapReason
GAP_REASON_WRITE_FAILED: GapReason

class PutBatchRequest(_message.Message):
    __slots__ = ("protocol", "run_id", "seq", "codec", "records", "payload", "raw_size", "first_us", "last_us", "run", "findings", "packages", "gaps", "made_us")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    RAW_SIZE_FIELD_NUMBER: _ClassVar[int]
    FIRST_US_FIELD_NUMBER: _ClassVar[int]
    LAST_US_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    MADE_US_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    run_id: str
    seq: int
    codec: Codec
    records: int
    payload: bytes
    raw_size: int
    first_us: int
    last_us: int
    run: _run_pb2.Run
    findings: _containers.RepeatedCompositeFieldContainer[_run_pb2.Finding]
    packages: _containers.RepeatedCompositeFieldContainer[_run_pb2.Package]
    gaps: _containers.RepeatedCompositeFieldContainer[Gap]
    made_us: int
    def __init__(self, protocol: _Optional[int] = ..., run_id: _Optional[str] = ..., seq: _Optional[int] = ..., codec: _Optional[_Union[Codec, str]] = ..., records: _Optional[int] = ..., payload: _Optional[bytes] = ..., raw_size: _Optional[int] = ..., first_us: _Optional[int] = ..., last_us: _Optional[int] = ..., run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[_run_pb2.Finding, _Mapping]]] = ..., packages: _Optional[_Iterable[_Union[_run_pb2.Package, _Mapping]]] = ..., gaps: _Optional[_Iterable[_Union[Gap, _Mapping]]] = ..., made_us: _Optional[int] = ...) -> None: ...

class PutBatchResponse(_message.Message):
    __slots__ = ("receipt", "reason", "time_us", "duplicate")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    reason: str
    time_us: int
    duplicate: bool
    def __init__(self, receipt: _Optional[_Union[Receipt, str]] = ..., reason: _Optional[str] = ..., time_us: _Optional[int] = ..., duplicate: bool = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("id", "run_id", "reason", "batches", "records", "bytes", "since_us", "until_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    SINCE_US_FIELD_NUMBER: _ClassVar[int]
    UNTIL_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    run_id: str
    reason: GapReason
    batches: int
    records: int
    bytes: int
    since_us: int
    until_us: int
    def __init__(self, id: _Optional[str] = ..., run_id: _Optional[str] = ..., reason: _Optional[_Union[GapReason, str]] = ..., batches: _Optional[int] = ..., records: _Optional[int] = ..., bytes: _Optional[int] = ..., since_us: _Optional[int] = ..., until_us: _Optional[int] = ...) -> None: ...

class PutHostRequest(_message.Message):
    __slots__ = ("protocol", "host")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    host: Host
    def __init__(self, protocol: _Optional[int] = ..., host: _Optional[_Union[Host, _Mapping]] = ...) -> None: ...

class PutHostResponse(_message.Message):
    __slots__ = ("time_us",)
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    time_us: int
    def __init__(self, time_us: _Optional[int] = ...) -> None: ...

class Host(_message.Message):
    __slots__ = ("name", "versions", "backend", "coverage", "observed_us", "spool_bytes", "spool_batches", "oldest_us", "gaps", "holds")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HoldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_US_FIELD_NUMBER: _ClassVar[int]
    SPOOL_BYTES_FIELD_NUMBER: _ClassVar[int]
    SPOOL_BATCHES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_US_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    versions: _containers.ScalarMap[str, str]
    backend: str
    coverage: _containers.RepeatedCompositeFieldContainer[_run_pb2.Coverage]
    observed_us: int
    spool_bytes: int
    spool_batches: int
    oldest_us: int
    gaps: _containers.RepeatedCompositeFieldContainer[Gap]
    holds: _containers.ScalarMap[str, int]
    def __init__(self, name: _Optional[str] = ..., versions: _Optional[_Mapping[str, str]] = ..., backend: _Optional[str] = ..., coverage: _Optional[_Iterable[_Union[_run_pb2.Coverage, _Mapping]]] = ..., observed_us: _Optional[int] = ..., spool_bytes: _Optional[int] = ..., spool_batches: _Optional[int] = ..., oldest_us: _Optional[int] = ..., gaps: _Optional[_Iterable[_Union[Gap, _Mapping]]] = ..., holds: _Optional[_Mapping[str, int]] = ...) -> None: ...
