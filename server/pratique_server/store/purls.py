"""Package URLs as far as the index needs them: a name and a version. Hostile text, so nothing is raised."""

LONGEST = 512


def split(purl: str) -> tuple[str, str]:
    """Name without version, qualifiers and subpath, and the version (empty when there is none)."""
    bare = purl.split("#", 1)[0].split("?", 1)[0]
    name, at, version = bare.rpartition("@")
    # The @ of an npm scope is part of the name unless it is written %40, as the specification wants.
    if not at or name.endswith("/") or "/" in version:
        return bare, ""
    return name, version


def row(purl: str, first: int) -> dict[str, object]:
    """The row of a package version."""
    name, version = split(purl)
    return {"purl": purl, "name": name, "version": version, "first": first}
