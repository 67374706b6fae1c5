"""Where the shipped files are, in an installed wheel and in a checkout alike."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_CHECKOUT = _PACKAGE.parent.parent


def rules() -> Path:
    """Directory of the shipped rules, groups and profiles."""
    return _first(_PACKAGE / "rules", _CHECKOUT / "rules")


def probes() -> Path:
    """Directory of the compiled probes (`*.bpf.o`); it may not exist on a rootless-only build."""
    return _first(_PACKAGE / "probes", _CHECKOUT / "probes" / "build")


def schema() -> Path:
    """Directory of the JSON schemas."""
    return _first(_PACKAGE / "schema", _CHECKOUT / "schema")


def _first(*places: Path) -> Path:
    return next((place for place in places if place.is_dir()), places[-1])
