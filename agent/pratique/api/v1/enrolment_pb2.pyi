from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class EnrollRequest(_message.Message):
    __slots__ = ("protocol", "secret", "csr", "host_name")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    HOST_NAME_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    secret: bytes
    csr: bytes
    host_name: str
    def __init__(self, protocol: _Optional[int] = ..., secret: _Optional[bytes] = ..., csr: _Optional[bytes] = ..., host_name: _Optional[str] = ...) -> None: ...

class EnrollResponse(_message.Message):
    __slots__ = ("host_id", "chain", "authorities", "address", "port")
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    host_id: str
    chain: bytes
    authorities: bytes
    address: str
    port: int
    def __init__(self, host_id: _Optional[str] = ..., chain: _Optional[bytes] = ..., authorities: _Optional[bytes] = ..., address: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ("protocol", "csr")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    csr: bytes
    def __init__(self, protocol: _Optional[int] = ..., csr: _Optional[bytes] = ...) -> None: ...

class RenewResponse(_message.Message):
    __slots__ = ("chain", "authorities")
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    authorities: bytes
    def __init__(self, chain: _Optional[bytes] = ..., authorities: _Optional[bytes] = ...) -> None: ...
