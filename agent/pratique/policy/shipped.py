"""The shipped rules, groups, profiles and owners, read from their texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pratique.errors import ConfigError
from pratique.policy.documents import (
    GroupShape,
    GroupsShape,
    OwnersShape,
    ProfileShape,
    RuleShape,
    read_shape,
)
from pratique.policy.load import Document, load_yaml
from pratique.policy.model import Allow, Group
from pratique.policy.sources import Text
from pratique.words import Actor, Stage


@dataclass(slots=True)
class Shipped:
    """What `rules/` holds."""

    rules: list[tuple[RuleShape, Document]] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    profiles: dict[str, ProfileShape] = field(default_factory=dict)
    owners: list[tuple[OwnersShape, Document]] = field(default_factory=list)


def read_shipped(texts: Iterable[Text]) -> Shipped:
    """Take the texts of kind `shipped` in; `ConfigError` at the first mistake."""
    shipped = Shipped()
    for text in texts:
        if text.kind == "shipped":
            _take(shipped, text.path.split("/")[1], load_yaml(text.path, text.data))
    _check_unique([(rule.id, document) for rule, document in shipped.rules])
    return shipped


def make_group(shape: GroupShape) -> Group:
    """The group as the rest of Pratique knows it."""
    return Group(
        name=shape.name,
        kind=shape.kind,
        title=shape.title,
        paths=tuple(shape.paths),
        names=tuple(shape.names),
        cidrs=tuple(shape.cidrs),
        ports=tuple(shape.ports),
        own_actors=tuple(actor for actor in Actor if actor.word in shape.own_actors),
        static=tuple(shape.static),
    )


def owners_allows(shipped: Shipped) -> list[Allow]:
    """Owner entries as allows, one per package."""
    return [
        allow
        for shape, document in shipped.owners
        for index in range(len(shape.owners))
        for allow in _owner_allows(shape, document, index, shipped.groups)
    ]


def _take(shipped: Shipped, folder: str, document: Document) -> None:
    if folder == "groups":
        _take_groups(shipped, document)
    elif folder == "profiles":
        profile = read_shape(ProfileShape, document)
        shipped.profiles[profile.profile] = profile
    elif folder == "owners":
        shipped.owners.append((read_shape(OwnersShape, document), document))
    else:
        shipped.rules.append((read_shape(RuleShape, document), document))


def _take_groups(shipped: Shipped, document: Document) -> None:
    for index, shape in enumerate(read_shape(GroupsShape, document).groups):
        if shape.name in shipped.groups:
            raise document.error(("groups", index), f'group "{shape.name}" exists already')
        shipped.groups[shape.name] = make_group(shape)


def _check_unique(rules: Sequence[tuple[str, Document]]) -> None:
    seen: dict[str, str] = {}
    for rule_id, document in rules:
        if rule_id in seen:
            raise document.error(("id",), f'rule "{rule_id}" exists already in {seen[rule_id]}')
        seen[rule_id] = document.name


def _owner_allows(
    shape: OwnersShape, document: Document, index: int, groups: dict[str, Group]
) -> Iterable[Allow]:
    owner = shape.owners[index]
    owned = [_group(document, index, groups, name) for name in owner.groups]
    for package in owner.packages:
        yield Allow(
            package=package,
            reason=owner.reason,
            stages=tuple(Stage.parse(word) for word in owner.stages),  # type: ignore[misc]
            connect=tuple(owner.connect),
            dns=(),
            read=(*owner.read, *(path for group in owned if group.kind == "file" for path in group.paths)),
            write=tuple(owner.write),
            ipc=(*owner.ipc, *(path for group in owned if group.kind == "ipc" for path in group.paths)),
            source=f"{document.name}:{document.line(('owners', index))}",
        )


def _group(document: Document, index: int, groups: dict[str, Group], name: str) -> Group:
    found = groups.get(name)
    if found is None or found.kind not in ("file", "ipc"):
        raise document.error(("owners", index, "groups"), f'there is no file or ipc group "{name}"')
    return found


def no_profile(profiles: Iterable[str], name: str) -> ConfigError:
    """The error for a profile that is not shipped."""
    return ConfigError(f'there is no profile "{name}"', f"there are {', '.join(sorted(profiles))}")
