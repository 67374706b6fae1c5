"""Which package a folder's code is, and how far that may be believed (docs/policy.md section 2).

*verified*: npm placed there, below its own tree and through no link, the content of a digest; the index of its
cache says that the registry configured for the name served exactly that content as the archive of that name and
version; and, once other package code has run, nothing in the folder differs from that archive. The name is thus
the registry's: a folder's name, an alias, package.json, lock files and shrinkwraps are only hints where to look.
Where `resolved` is left out (`omit-lockfile-registry-resolved`), the conventional URL of the name is looked up.
Everything else is *claimed* under the name of its place; another name that it gives itself is a candidate.
"""

from dataclasses import dataclass

from pratique.managers.base import Context
from pratique.managers.node import project
from pratique.managers.node.places import Place
from pratique.managers.node.purls import purl, source
from pratique.managers.node.registries import Tarball, public
from pratique.managers.node.tampering import packed, unchanged
from pratique.managers.npm import cache
from pratique.managers.npm.memory import Memory, Request
from pratique.model import Identity
from pratique.words import Quality


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of a folder's code: by npm where it comes from and its digest, by the package its name."""

    name: str | None
    version: str | None
    resolved: str | None
    digest: str | None

    def candidates(self) -> tuple[str, ...]:
        """The package by the name it gives itself."""
        return (purl(self.name, self.version),) if self.name else ()


def identify(
    place: Place, claim: Claim, context: Context, memory: Memory, request: Request
) -> tuple[Identity, str]:
    """Identity of the code in a place of one of npm's trees, and why."""
    archive, doubt = _archive(place, claim, context, request)
    if memory.redirected:
        doubt = doubt or "a git dependency's .npmrc may have led npm elsewhere"
    doubt = doubt or _tampered(place, claim, memory, request)
    direct = _direct(place, memory, request)
    if archive and doubt is None:
        return Identity(
            Quality.VERIFIED,
            purl(archive.name, archive.version),
            public(archive.url),
            claim.digest,
            direct,
        ), "npm's tree and the registry's archive agree"
    found = _claimed(place, claim, archive)
    return Identity(
        Quality.CLAIMED, found[0], public(claim.resolved or "") or None, claim.digest, direct, found[1:]
    ), doubt or "unproved"


def checkout(name: str | None, url: str) -> tuple[Identity, str]:
    """Code of a git dependency: where it is from is npm's word, its name is its own."""
    found = purl(name, None, vcs_url=url) if name else None
    return Identity(
        Quality.CLAIMED if found else Quality.UNKNOWN, found, public(url)
    ), "built from version control"


def _direct(place: Place, memory: Memory, request: Request) -> bool | None:
    """Whether the user named it; None when a URL or path on the command line may have meant it."""
    if place.root in memory.clones or place.above is not None:
        return False
    return place.name in request.wanted or (None if request.unnamed else False)


def _archive(
    place: Place, claim: Claim, context: Context, request: Request
) -> tuple[Tarball | None, str | None]:
    """The registry's archive the code is said to be, and the first reason not to believe it."""
    if claim.resolved is None and claim.digest is None:
        return None, f"bundled in {place.above}" if place.above else "npm knows no source for it"
    found = _candidates(place, claim, request)
    if not found:
        return None, _elsewhere(claim.resolved)
    if claim.digest is None:
        return found[0], "npm has no strong digest of it"
    if not _is_own_word(place):
        return found[0], "its package.json brings npm's own fields"
    written = context.written_by_package
    for archive in found:
        if cache.served(request.cache, archive.url, claim.digest, written):
            return archive, None
    return found[0], "npm's cache does not show that the registry served it"


def _candidates(place: Place, claim: Claim, request: Request) -> list[Tarball]:
    if claim.resolved is not None:
        found = request.registries.tarball(claim.resolved)
        return [found] if found else []
    names = dict.fromkeys(name for name in (place.name, claim.name) if name)
    archives = (request.registries.conventional(name, claim.version or "") for name in names)
    return [archive for archive in archives if archive]


def _elsewhere(resolved: str | None) -> str:
    if resolved and resolved.startswith("git"):
        return "built from version control"
    if resolved and resolved.startswith(("file:", "/")):
        return "a local path: nobody vouches for the name"
    return "from no registry that is configured for its name"


def _is_own_word(place: Place) -> bool:
    """Older npms take `_resolved` and `_integrity` of an installed package from its package.json."""
    return not {"_resolved", "_integrity"} & project.manifest_of(place.folder).keys()


def _tampered(place: Place, claim: Claim, memory: Memory, request: Request) -> str | None:
    if memory.began is None or claim.digest is None:
        return None
    digest = claim.digest
    archive = cache.content(request.cache, digest)
    same = unchanged(place.folder, memory.began, lambda: packed(archive, digest))
    return None if same else "its files changed since other package code ran"


def _claimed(place: Place, claim: Claim, archive: Tarball | None) -> tuple[str, ...]:
    """The purl by its place, then what else it could be."""
    if archive:
        return (purl(archive.name, archive.version),)
    own = claim.name in (None, place.name)
    origin = source(claim.resolved or "")
    kind = "vcs_url" if origin.startswith("git") else "download_url"
    first = purl(place.name, claim.version if own else None, **{kind: origin})
    others = [] if own else list(claim.candidates())
    others += [purl(place.above, None)] if place.above and claim.resolved is None else []
    return (first, *others)
