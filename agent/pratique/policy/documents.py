"""The shapes of rule, group, profile, owner and policy files; mistakes are errors with their line."""

import re
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pratique.errors import ConfigError
from pratique.policy import allows, purls
from pratique.policy.addresses import is_network
from pratique.policy.load import Document, Path
from pratique.words import Act, Action, Actor, Stage

_GROUP = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)*(\.\*)?\Z|\*\Z")
_MOST_STARS = 2


def _word(words: list[str]) -> Any:
    return AfterValidator(lambda text: text if text in words else _reject(_none_of(text, words)))


def _reject(why: str) -> Any:
    raise ValueError(why)


def _none_of(text: str, words: list[str]) -> str:
    near = get_close_matches(text, words, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f'"{text}" is none of {", ".join(words)}{hint}'


def _purl(text: str) -> str:
    purls.parse(text)
    return text


def _endpoint(text: str) -> str:
    allows.split_endpoint(text)
    return text


def _network(text: str) -> str:
    return text if is_network(text) else _reject(f'"{text}" is no address or network such as 10.0.0.0/8')


def _pattern(text: str) -> str:
    if not text.startswith(("/", "~/", "./")):
        _reject(f'"{text}" must begin with / (absolute), ~/ (every home) or ./ (the project)')
    names = text.removesuffix("/**").split("/")[1:]
    if not names or any(name in ("", ".", "..") for name in names):
        _reject(f'"{text}" has an empty, "." or ".." component, or names everything')
    if (
        "\0" in text
        or any("**" in name and name != "**" for name in names)
        or names.count("**") > _MOST_STARS
    ):
        _reject(f'"{text}": ** stands for whole components, at most {_MOST_STARS} times besides the end')
    return text


def _place(text: str) -> str:
    return (
        text
        if "**" not in _pattern(text).removesuffix("/**")
        else _reject(f'"{text}": in a group, ** stands only at the end')
    )


def _name(text: str) -> str:
    return text if text and "/" not in text else _reject(f'"{text}" is no name of a file')


def _group_name(text: str) -> str:
    return text if _GROUP.match(text) else _reject(f'"{text}" is no name of a group such as secrets.aws')


def _actions(value: Any) -> Any:
    return {"": value} if isinstance(value, str) else value


StageWord = Annotated[str, _word(Stage.words())]
ActorWord = Annotated[str, _word(Actor.words())]
ActWord = Annotated[str, _word(Act.words())]
ActionWord = Annotated[str, _word(Action.words())]
ProfileWord = Annotated[str, _word(["observe", "standard", "strict"])]
Package = Annotated[str, AfterValidator(_purl)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Host = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9_.-]+$", max_length=255)]
Pattern = Annotated[str, AfterValidator(_pattern)]
GroupName = Annotated[str, AfterValidator(_group_name)]
Network = Annotated[str, AfterValidator(_network)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Maturity = Literal["stable", "incubating"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RowShape(_Shape):
    """One entry of `enforce:`."""

    acts: list[ActWord] = Field(min_length=1)
    groups: list[GroupName] = Field(min_length=1)
    excepted: list[GroupName] = Field(default=[], alias="except")
    stages: list[StageWord] | None = None
    actors: list[ActorWord] | None = None
    tainted: bool | None = None
    action: Annotated[
        dict[Annotated[str, _word(["", *Actor.words()])], ActionWord], BeforeValidator(_actions)
    ]
    """One action, or one per actor."""


class SamplesShape(_Shape):
    """`tests:` of a rule."""

    match: list[dict[str, Any]] = Field(min_length=1)
    benign: list[dict[str, Any]] = Field(min_length=1)


class SequenceShape(_Shape):
    """`sequence:` of a rule."""

    steps: list[dict[str, Any]] = Field(min_length=1)
    within: Annotated[str, Field(pattern=r"^[0-9]+(ms|s|m|h)$")]
    by: Literal["run", "origin"] = "origin"
    count: int = Field(default=1, ge=1, le=100_000)


class RuleShape(_Shape):
    """A rule file."""

    format: Literal[1]
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$", max_length=60)]
    title: Text
    description: Text
    severity: Literal["low", "medium", "high", "critical"]
    techniques: list[Annotated[str, Field(pattern=r"^(T\d{4}(\.\d{3})?|AML\.T\d{4}(\.\d{3})?)$")]]
    stages: list[StageWord] = Field(min_length=1)
    actors: list[ActorWord] = Field(min_length=1)
    profiles: list[ProfileWord] = []
    locked: bool = False
    enforce: list[RowShape] | None = None
    detect: dict[str, Any] | None = None
    sequence: SequenceShape | None = None
    explain: Text
    false_positives: list[Text] = Field(min_length=1)
    maturity: Maturity
    tests: SamplesShape


class GroupShape(_Shape):
    """One group, in a group file or as `[[group]]`."""

    name: GroupName
    kind: Literal["file", "exe", "net", "ipc", "code"]
    title: str = ""
    paths: list[Annotated[str, AfterValidator(_place)]] = []
    names: list[Annotated[str, AfterValidator(_name)]] = []
    cidrs: list[Network] = []
    ports: list[Annotated[int, Field(ge=1, le=65535)]] = []
    own_actors: list[ActorWord] = []
    static: list[str] = []


class GroupsShape(_Shape):
    """A file in `groups/`."""

    format: Literal[1]
    groups: list[GroupShape] = Field(min_length=1)


class ProfileShape(_Shape):
    """A file in `profiles/`."""

    format: Literal[1]
    profile: ProfileWord
    title: Text
    maturity: list[Maturity] = Field(min_length=1)
    cap: Literal["audit"] | None = None
    fail_on_incomplete: bool = False
    env_strip: list[Annotated[str, Field(min_length=1)]] = []


class OwnerShape(_Shape):
    """One entry of a file in `owners/`: what verified packages may use because it is theirs."""

    packages: list[Package] = Field(min_length=1)
    reason: Text
    stages: list[StageWord] = ["first-run"]
    groups: list[GroupName] = []
    read: list[Pattern] = []
    write: list[Pattern] = []
    connect: list[Endpoint] = []
    ipc: list[Pattern] = []


class OwnersShape(_Shape):
    """A file in `owners/`."""

    format: Literal[1]
    owners: list[OwnerShape] = Field(min_length=1)


class AllowShape(_Shape):
    """`[[allow]]` of a policy file."""

    package: Package
    reason: Text
    digest: Annotated[str, Field(pattern=r"^sha(256|384|512)-[A-Za-z0-9+/=_-]+$")] | None = None
    stage: list[StageWord] = []
    connect: list[Endpoint] = []
    dns: list[Host] = []
    read: list[Pattern] = []
    write: list[Pattern] = []
    exec: list[Pattern] = []
    ipc: list[Pattern] = []
    expires: date | None = None


class DenyShape(_Shape):
    """`[[deny]]` of a policy file: package code may not do this, whatever the profile says."""

    reason: Text
    stage: list[StageWord] = []
    connect: list[Network] = []
    read: list[Annotated[str, AfterValidator(_place)]] = []
    write: list[Annotated[str, AfterValidator(_place)]] = []
    exec: list[Annotated[str, AfterValidator(_name)]] = []
    ipc: list[Annotated[str, AfterValidator(_place)]] = []


class BlockShape(_Shape):
    """`[[block]]` of a policy file: this package must not run, or this host must not be spoken to."""

    package: Package | None = None
    digest: Annotated[str, Field(pattern=r"^(record-)?sha(256|384|512)-[A-Za-z0-9+/=_-]+$")] | None = None
    host: Host | None = None
    reason: Text

    @model_validator(mode="after")
    def _names_one(self) -> "BlockShape":
        named = [each for each in (self.package, self.digest, self.host) if each is not None]
        return self if len(named) == 1 else _reject('names one of "package", "digest" and "host"')


class EnvShape(_Shape):
    """`[env]` of a policy file."""

    strip: list[Annotated[str, Field(min_length=1)]] = []


class PolicyShape(_Shape):
    """A policy file (`pratique.toml` and its kind)."""

    profile: ProfileWord | None = None
    fail_on_incomplete: bool | None = None
    project_policy: bool | None = None
    env: EnvShape = EnvShape()
    allow: list[AllowShape] = []
    deny: list[DenyShape] = []
    block: list[BlockShape] = []
    group: list[GroupShape] = []


Shape = TypeVar("Shape", bound=BaseModel)


def read_shape(shape: type[Shape], document: Document) -> Shape:
    """The document in that shape; `ConfigError` names file, line, what is allowed and what was meant."""
    try:
        return shape.model_validate(document.data)
    except ValidationError as error:
        # A misspelt key is also a missing one: the misspelling is what helps.
        first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
        raise _explained(shape, document, first) from error
    except RecursionError as error:
        raise document.error((), "is nested too deeply") from error


def _explained(shape: type[BaseModel], document: Document, error: Any) -> ConfigError:
    path = tuple(part for part in error["loc"] if part != "[key]")
    where = _where(document, path[:-1])
    name = str(path[-1]) if path else ""
    if error["type"] == "extra_forbidden":
        keys = sorted(_keys(shape, path[:-1]))
        near = get_close_matches(name, keys, 1)
        mend = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(keys)}"
        return document.error(path, f'unknown key "{_short(name)}"{where}', mend)
    if error["type"] == "missing":
        return document.error(path[:-1], f'"{name}" is missing{where}')
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return document.error(path, f"{_label(path)}: {message}")


def _label(path: Path) -> str:
    names = [part for part in path if isinstance(part, str)]
    return f'"{_short(names[-1])}"' if names else "the file"


def _short(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:60])


def _where(document: Document, path: Path) -> str:
    names = ".".join(_short(part) for part in path if isinstance(part, str))
    if not names:
        return ""
    if not document.name.endswith(".toml"):
        return f" in {names}"
    return f" in [[{names}]]" if isinstance(path[-1], int) else f" in [{names}]"


def _keys(shape: Any, path: Path) -> set[str]:
    """The keys that the shape allows at a place."""
    for part in path:
        if isinstance(part, str) and isinstance(shape, type) and issubclass(shape, BaseModel):
            fields = {info.alias or name: info.annotation for name, info in shape.model_fields.items()}
            shape = _inner_model(fields.get(part))
    if not (isinstance(shape, type) and issubclass(shape, BaseModel)):
        return set()
    return {info.alias or name for name, info in shape.model_fields.items()}


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _inner_model(each))), None)
