from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class Actor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTOR_UNSPECIFIED: _ClassVar[Actor]
    ACTOR_COMMAND: _ClassVar[Actor]
    ACTOR_MANAGER: _ClassVar[Actor]
    ACTOR_HELPER: _ClassVar[Actor]
    ACTOR_PROJECT: _ClassVar[Actor]
    ACTOR_PACKAGE: _ClassVar[Actor]
    ACTOR_MIXED: _ClassVar[Actor]

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_RESOLVE: _ClassVar[Stage]
    STAGE_BUILD: _ClassVar[Stage]
    STAGE_SCRIPT: _ClassVar[Stage]
    STAGE_FIRST_RUN: _ClassVar[Stage]

class Act(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACT_UNSPECIFIED: _ClassVar[Act]
    ACT_EXEC: _ClassVar[Act]
    ACT_EXEC_MAP: _ClassVar[Act]
    ACT_FILE_READ: _ClassVar[Act]
    ACT_FILE_WRITE: _ClassVar[Act]
    ACT_FILE_CREATE: _ClassVar[Act]
    ACT_FILE_LINK: _ClassVar[Act]
    ACT_FILE_RENAME: _ClassVar[Act]
    ACT_FILE_REMOVE: _ClassVar[Act]
    ACT_FILE_TRUNCATE: _ClassVar[Act]
    ACT_FILE_SETATTR: _ClassVar[Act]
    ACT_NET_CONNECT: _ClassVar[Act]
    ACT_NET_LISTEN: _ClassVar[Act]
    ACT_NET_DNS: _ClassVar[Act]
    ACT_IPC_CONNECT: _ClassVar[Act]
    ACT_PROC_MEMORY: _ClassVar[Act]
    ACT_PROC_SIGNAL: _ClassVar[Act]
    ACT_KERNEL_BPF: _ClassVar[Act]
    ACT_NS_ENTER: _ClassVar[Act]
    ACT_MOUNT: _ClassVar[Act]
    ACT_RING: _ClassVar[Act]
    ACT_PRIV_GAIN: _ClassVar[Act]

class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_ALLOW: _ClassVar[Action]
    ACTION_AUDIT: _ClassVar[Action]
    ACTION_DENY: _ClassVar[Action]
    ACTION_KILL: _ClassVar[Action]

class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEVEL_UNSPECIFIED: _ClassVar[Level]
    LEVEL_ENFORCED: _ClassVar[Level]
    LEVEL_KILLED_BEFORE: _ClassVar[Level]
    LEVEL_KILLED_AFTER: _ClassVar[Level]
    LEVEL_SEEN: _ClassVar[Level]
    LEVEL_BLIND: _ClassVar[Level]

class Quality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUALITY_UNSPECIFIED: _ClassVar[Quality]
    QUALITY_VERIFIED: _ClassVar[Quality]
    QUALITY_CLAIMED: _ClassVar[Quality]
    QUALITY_UNKNOWN: _ClassVar[Quality]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_CLEAN: _ClassVar[Verdict]
    VERDICT_FINDINGS: _ClassVar[Verdict]
    VERDICT_BLOCKED: _ClassVar[Verdict]
ACTOR_UNSPECIFIED: Actor
ACTOR_COMMAND: Actor
ACTOR_MANAGER: Actor
ACTOR_HELPER: Actor
ACTOR_PROJECT: Actor
ACTOR_PACKAGE: Actor
ACTOR_MIXED: Actor
STAGE_UNSPECIFIED: Stage
STAGE_RESOLVE: Stage
STAGE_BUILD: Stage
STAGE_SCRIPT: Stage
STAGE_FIRST_RUN: Stage
ACT_UNSPECIFIED: Act
ACT_EXEC: Act
ACT_EXEC_MAP: Act
ACT_FILE_READ: Act
ACT_FILE_WRITE: Act
ACT_FILE_CREATE: Act
ACT_FILE_LINK: Act
ACT_FILE_RENAME: Act
ACT_FILE_REMOVE: Act
ACT_FILE_TRUNCATE: Act
ACT_FILE_SETATTR: Act
ACT_NET_CONNECT: Act
ACT_NET_LISTEN: Act
ACT_NET_DNS: Act
ACT_IPC_CONNECT: Act
ACT_PROC_MEMORY: Act
ACT_PROC_SIGNAL: Act
ACT_KERNEL_BPF: Act
ACT_NS_ENTER: Act
ACT_MOUNT: Act
ACT_RING: Act
ACT_PRIV_GAIN: Act
ACTION_ALLOW: Action
ACTION_AUDIT: Action
ACTION_DENY: Action
ACTION_KILL: Action
LEVEL_UNSPECIFIED: Level
LEVEL_ENFORCED: Level
LEVEL_KILLED_BEFORE: Level
LEVEL_KILLED_AFTER: Level
LEVEL_SEEN: Level
LEVEL_BLIND: Level
QUALITY_UNSPECIFIED: Quality
QUALITY_VERIFIED: Quality
QUALITY_CLAIMED: Quality
QUALITY_UNKNOWN: Quality
VERDICT_UNSPECIFIED: Verdict
VERDICT_CLEAN: Verdict
VERDICT_FINDINGS: Verdict
VERDICT_BLOCKED: Verdict
