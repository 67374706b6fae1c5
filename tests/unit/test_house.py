"""What must stand nowhere in the repository, and a soft report of what has grown long."""

import ast
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "agent" / "pratique" / "api" / "v1"
FUNCTION, MODULE = 40, 400


def _files() -> Iterator[Path]:
    """Every file that git would keep: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return (path for path in paths if path.is_file() and not path.is_symlink())


def _say(*command: str) -> str:
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def _registry_hosts() -> set[str]:
    """Hosts the package clients would ask, said by the clients themselves: they are named nowhere else."""
    pip = "from pip._internal.models.index import PyPI as p; print(p.url, 'https://' + p.file_storage_domain)"
    said = _say(sys.executable, "-c", pip) + _say(sys.executable, "-m", "pip", "config", "list")
    if shutil.which("npm"):
        said += _say("npm", "config", "get", "registry")
    hosts = {host.lower() for host in re.findall(r"https?://(?:[^@/\s]*@)?([A-Za-z0-9.-]+)", said)}
    return {host for host in hosts if "." in host and not host.replace(".", "").isdigit()}


def _mentions(words: set[str]) -> list[str]:
    sought = {word: re.compile(_pattern(word.lower())) for word in words}
    found = []
    for path in _files():
        text = path.read_bytes().lower()
        found += [
            f"{path.relative_to(ROOT)} names {word}" for word, seek in sought.items() if seek.search(text)
        ]
    return found


def _pattern(word: str) -> bytes:
    """A path counts only from its beginning: `/x/` is not in `a/x/`."""
    beginning = r"(?<![\w.~-])" if word.startswith("/") else ""
    return (beginning + re.escape(word)).encode()


def test_no_registry_is_named() -> None:
    """The clients know their registries; what we write down would be wrong for someone, and go stale."""
    hosts = _registry_hosts()

    assert len(hosts) >= 2, "pip did not say its own hosts"
    assert _mentions(hosts) == []


def test_no_path_of_this_machine() -> None:
    """A checkout works wherever it lies."""
    places = {f"{ROOT}/", f"{ROOT.parent}/", f"{Path.home()}/.", f"{sys.base_prefix}/"}
    general = {"/", "/usr/", "/usr/local/", "/root/.", "/tmp/", "/home/", "/src/", "/build/"}

    assert _mentions(places - general) == []


def test_the_search_finds_what_is_there() -> None:
    """The two checks above are not blind."""
    assert f"tests/unit/{Path(__file__).name} names a word that stands here" in _mentions(
        {"a word that stands here"}
    )


def _modules() -> Iterator[Path]:
    return (path for path in _files() if path.suffix == ".py" and GENERATED not in path.parents)


def _long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name} is {lines} lines"


@pytest.mark.filterwarnings("default")
def test_what_has_grown_long() -> None:
    """A soft list: a long function or module has a reason, or is split; nothing fails here."""
    grown = []
    for path in _modules():
        grown += _long_functions(path)
        lines = len(path.read_text().splitlines())
        if lines > MODULE:
            grown.append(f"{path.relative_to(ROOT)} is {lines} lines")
    if grown:
        warnings.warn("long for this house:\n  " + "\n  ".join(sorted(grown)), stacklevel=1)
