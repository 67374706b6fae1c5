"""The closed lists of words that C, proto, rules, report and UI share (DESIGN: one word per thing).

Numbers are wire values: `probes/include/words.h` and `proto/pratique/api/v1/words.proto` repeat them,
and a test compares the three. Numbers are never reused; new ones are appended.
"""

from enum import IntEnum


class Word(IntEnum):
    """An enumeration whose members print as the word people read: ``Act.FILE_READ.word == "file.read"``."""

    @property
    def word(self) -> str:
        """The spelling used in rules, reports and documentation."""
        return self.name.lower().replace("_", self._separator())

    @classmethod
    def parse(cls, text: str) -> "Word":
        """The member spelt `text`; `ValueError` names the allowed words."""
        for member in cls:
            if member.word == text:
                return member
        raise ValueError(f"{text!r} is none of {', '.join(cls.words())}")

    @classmethod
    def words(cls) -> list[str]:
        """Every spelling, in numeric order."""
        return [member.word for member in cls]

    @classmethod
    def _separator(cls) -> str:
        return "-"


class Actor(Word):
    """Who acts; trust only goes down the list, where MIXED stands after MANAGER (docs/policy.md section 1)."""

    COMMAND = 1
    MANAGER = 2
    HELPER = 3
    PROJECT = 4
    PACKAGE = 5
    MIXED = 6


MANAGERS = (Actor.MANAGER, Actor.MIXED)
TRUSTED = (Actor.COMMAND, *MANAGERS, Actor.HELPER)
"""Whose own doings are theirs to do; rules speak of some of a mixed manager's."""


class Stage(Word):
    """In which part of a run an act happened."""

    RESOLVE = 1
    BUILD = 2
    SCRIPT = 3
    FIRST_RUN = 4


class Act(Word):
    """What code tries to do: the closed list of DESIGN section 2."""

    EXEC = 1
    EXEC_MAP = 2
    FILE_READ = 3
    FILE_WRITE = 4
    FILE_CREATE = 5
    FILE_LINK = 6
    FILE_RENAME = 7
    FILE_REMOVE = 8
    FILE_TRUNCATE = 9
    FILE_SETATTR = 10
    NET_CONNECT = 11
    NET_LISTEN = 12
    NET_DNS = 13
    IPC_CONNECT = 14
    PROC_MEMORY = 15
    PROC_SIGNAL = 16
    KERNEL_BPF = 17
    NS_ENTER = 18
    MOUNT = 19
    RING = 20
    PRIV_GAIN = 21

    @classmethod
    def _separator(cls) -> str:
        return "."


class Action(Word):
    """What a rule asks for; a later member wins a tie."""

    ALLOW = 0
    AUDIT = 1
    DENY = 2
    KILL = 3


class Level(Word):
    """Coverage of one act (docs/policy.md section 4), strongest first."""

    ENFORCED = 1
    KILLED_BEFORE = 2
    KILLED_AFTER = 3
    SEEN = 4
    BLIND = 5


class Quality(Word):
    """How far an identity may be believed (docs/policy.md section 2)."""

    VERIFIED = 1
    CLAIMED = 2
    UNKNOWN = 3


class Verdict(Word):
    """The outcome of a run; `incomplete` is a separate mark beside it."""

    CLEAN = 1
    FINDINGS = 2
    BLOCKED = 3
