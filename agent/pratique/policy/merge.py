"""Policy files over the shipped rules: the later file wins, an untrusted project file only narrows."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pratique.policy.addresses import in_network, prefix_length
from pratique.policy.documents import AllowShape, DenyShape, PolicyShape, read_shape
from pratique.policy.load import Document, load_toml
from pratique.policy.model import Allow, Block, Group, Row, Rule
from pratique.policy.shipped import make_group
from pratique.policy.sources import Text
from pratique.words import Act, Action, Actor, Stage

_STRICTNESS = ("observe", "standard", "strict")
_CODE = (Actor.PACKAGE, Actor.PROJECT)
_DENIED: dict[str, tuple[str, tuple[Act, ...]]] = {
    "connect": ("net", (Act.NET_CONNECT,)),
    "read": ("file", (Act.FILE_READ,)),
    "write": (
        "file",
        (
            Act.FILE_WRITE,
            Act.FILE_CREATE,
            Act.FILE_LINK,
            Act.FILE_RENAME,
            Act.FILE_REMOVE,
            Act.FILE_TRUNCATE,
            Act.FILE_SETATTR,
        ),
    ),
    "exec": ("exe", (Act.EXEC,)),
    "ipc": ("ipc", (Act.IPC_CONNECT,)),
}


@dataclass(slots=True)
class Merged:
    """What the policy files say together."""

    groups: dict[str, Group]
    profile: str = "standard"
    fail_on_incomplete: bool = False
    project_policy: bool = False
    env_strip: list[str] = field(default_factory=list)
    allows: list[Allow] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merge(texts: Iterable[Text], groups: dict[str, Group]) -> Merged:
    """Read the policy files in their order; `ConfigError` at the first mistake."""
    merged = Merged(dict(groups))
    for text in texts:
        if text.kind != "shipped":
            document = load_toml(text.path, text.data)
            _take(merged, read_shape(PolicyShape, document), document, text)
    return merged


def _take(merged: Merged, shape: PolicyShape, document: Document, text: Text) -> None:
    _take_settings(merged, shape, document, text)
    _take_groups(merged, shape, document, text)
    _take_allows(merged, shape, document, text)
    for index, block in enumerate(shape.block):
        source = _at(document, "block", index)
        host = block.host.lower().rstrip(".") if block.host else None
        merged.blocks.append(Block(block.package or "", block.reason, source, block.digest, host))
    for index, deny in enumerate(shape.deny):
        _take_deny(merged, deny, _at(document, "deny", index), locked=text.kind in ("system", "collector"))


def _take_settings(merged: Merged, shape: PolicyShape, document: Document, text: Text) -> None:
    if shape.project_policy is not None and text.kind != "system":
        raise document.error(("project_policy",), '"project_policy" stands only in files of /etc/pratique')
    merged.project_policy = merged.project_policy if shape.project_policy is None else shape.project_policy
    merged.env_strip += shape.env.strip
    if shape.fail_on_incomplete is not None and (text.trusted or shape.fail_on_incomplete):
        merged.fail_on_incomplete = shape.fail_on_incomplete
    if shape.profile is None:
        return
    if text.trusted or _STRICTNESS.index(shape.profile) >= _STRICTNESS.index(merged.profile):
        merged.profile = shape.profile
    else:
        merged.notes.append(_untrusted(document, ("profile",), f'profile "{shape.profile}" is not used'))


def _take_groups(merged: Merged, shape: PolicyShape, document: Document, text: Text) -> None:
    for index, each in enumerate(shape.group):
        path = ("group", index)
        new, held = make_group(each), merged.groups.get(each.name)
        if new.kind == "code" or (held is not None and held.kind != new.kind):
            why = f"{held.kind}" if held is not None else "file, exe, net or ipc"
            raise document.error((*path, "kind"), f'group "{each.name}" is of kind {why}')
        for other in merged.groups.values():
            if other.name != each.name and (twice := set(other.cidrs) & set(new.cidrs)):
                raise document.error((*path, "cidrs"), f"{min(twice)} belongs to group {other.name} already")
        if not text.trusted and (new.cidrs or new.ports or new.own_actors):
            # A longer prefix in a milder group, or an actor let off, would widen.
            merged.notes.append(_untrusted(document, path, f'group "{each.name}" is not used'))
        else:
            merged.groups[each.name] = new if held is None else _joined(held, new)


def _joined(held: Group, new: Group) -> Group:
    return held._replace(
        paths=(*held.paths, *new.paths),
        names=(*held.names, *new.names),
        cidrs=(*held.cidrs, *new.cidrs),
        ports=(*held.ports, *new.ports),
    )


def _take_allows(merged: Merged, shape: PolicyShape, document: Document, text: Text) -> None:
    if shape.allow and not text.trusted:
        left_out = f"{len(shape.allow)} [[allow]] left out"
        merged.notes.append(_untrusted(document, ("allow", 0), left_out))
        return
    merged.allows += [_allow(each, _at(document, "allow", index)) for index, each in enumerate(shape.allow)]


def _allow(shape: AllowShape, source: str) -> Allow:
    return Allow(
        package=shape.package,
        reason=shape.reason,
        digest=shape.digest,
        stages=tuple(stage for stage in Stage if stage.word in shape.stage),
        connect=tuple(shape.connect),
        dns=tuple(shape.dns),
        read=tuple(shape.read),
        write=tuple(shape.write),
        exec=tuple(shape.exec),
        ipc=tuple(shape.ipc),
        expires=shape.expires.isoformat() if shape.expires is not None else None,
        source=source,
    )


def _take_deny(merged: Merged, shape: DenyShape, source: str, locked: bool) -> None:
    number = len(merged.rules) + 1
    stages = tuple(stage for stage in Stage if stage.word in shape.stage) or tuple(Stage)
    rows: list[Row] = []
    for key, (kind, acts) in _DENIED.items():
        values = tuple(getattr(shape, key))
        if values:
            name = f"policy.deny-{number}.{key}"
            merged.groups[name] = _denied_group(merged, name, kind, values)
            rows += [Row(stages, _CODE, act, name, Action.DENY) for act in acts]
    merged.rules.append(
        Rule(
            id=f"policy.deny-{number}",
            title="Denied by a policy file",
            severity="high",
            explain=shape.reason,
            locked=locked,
            rows=tuple(rows),
            source=source,
        )
    )


def _denied_group(merged: Merged, name: str, kind: str, values: tuple[str, ...]) -> Group:
    if kind == "net":
        return Group(name, kind, cidrs=_taken_over(merged, values))
    if kind == "exe":
        return Group(name, kind, names=values)
    return Group(name, kind, paths=values)


def _taken_over(merged: Merged, networks: tuple[str, ...]) -> tuple[str, ...]:
    """The networks and all narrower ones inside them: an address draws only the group of its longest prefix.

    Metadata addresses stay where they are: their refusal is locked, and that must not be lost.
    """
    taken = dict.fromkeys(networks)
    for group in list(merged.groups.values()):
        if group.kind == "net" and group.name != "net.metadata":
            inner = [cidr for cidr in group.cidrs if any(_is_inside(cidr, each) for each in networks)]
            taken |= dict.fromkeys(inner)
            merged.groups[group.name] = group._replace(
                cidrs=tuple(cidr for cidr in group.cidrs if cidr not in inner)
            )
    return tuple(taken)


def _is_inside(cidr: str, network: str) -> bool:
    return prefix_length(cidr) >= prefix_length(network) and in_network(cidr.partition("/")[0], network)


def _at(document: Document, table: str, index: int) -> str:
    return f"{document.name}:{document.line((table, index))}"


def _untrusted(document: Document, path: tuple[str | int, ...], what: str) -> str:
    return f"{document.name}:{document.line(path)}: {what}: the file is not trusted (pratique policy trust)"
