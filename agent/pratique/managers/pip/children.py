"""The shapes in which pip starts Python again: its nested resolver, and build hooks."""

import os
import re
from pathlib import Path

from pratique.managers.base import Context, Stopped
from pratique.managers.pip.arguments import after_pip, parse
from pratique.managers.pip.facts import facts
from pratique.managers.pip.memory import Memory
from pratique.managers.pip.sources import option

_HOOK = re.compile(
    r"(/.*/pip)/_vendor/(?:pyproject_hooks/_in_process|pep517(?:/in_process)?)/_in_process\.py"
)
_EXTRACTED = re.compile(r"/(?:.*/)?tmp[a-z0-9_]{8}_?in_process\.py")  # from a pip that runs out of a zip
_OVERLAY = re.compile(r"/(?:.*/)?pip-build-env-[a-z0-9_]{8}(?:/.*)?")


def is_nested(child: Stopped, context: Context, memory: Memory) -> bool:
    """A pip run by pip: its own runner, by its own interpreter, into a build environment; or `--python`."""
    if len(child.argv) < len(("python", "runner", "install")) or not _own_runner(child, context, memory):
        return False
    if is_rerun(child, context):
        return child.exe == _named_interpreter(context)
    words = parse(child.argv[2:])
    prefix = words.all("--prefix")
    into = len(prefix) > 0 and _OVERLAY.fullmatch(prefix[-1]) is not None
    return child.exe in (context.manager.exe, context.parent.exe) and words.verb == "install" and into


def is_rerun(child: Stopped, context: Context) -> bool:
    """`pip --python X …` runs the very same words again under X."""
    again = child.environment.get("_PIP_RUNNING_IN_SUBPROCESS") == "1"
    return again and child.argv[2:] == tuple(after_pip(context.manager.argv))


def is_hook(child: Stopped, context: Context) -> bool:
    """A PEP 517 hook or a legacy `setup.py`, by the interpreter pip itself runs in."""
    if child.exe not in (context.manager.exe, context.parent.exe):
        return False
    words = [word for word in child.argv[1:] if word != "-u"]
    if words[:1] == ["-c"]:
        return len(words) > 1 and facts().caller.search(words[1]) is not None
    script = words[0] if words else ""
    shaped = _HOOK.fullmatch(script) or _EXTRACTED.fullmatch(script)
    return bool(shaped) and not context.written_by_package(script)


def _own_runner(child: Stopped, context: Context, memory: Memory) -> bool:
    """The script is pip's: always in the same package directory, and nothing package code wrote."""
    script = child.argv[1]
    if context.written_by_package(script) or not script.startswith("/"):
        return False
    if facts().standalone.fullmatch(script):
        archive = Path(script).parent
        return archive.is_file() and not archive.is_symlink() and not context.written_by_package(str(archive))
    package = Path(script).parent if Path(script).name == facts().runner else Path(script)
    if _same_archive(package, context):
        return True
    if (
        package.name != "pip"
        or not (package / "__init__.py").is_file()
        or not (package / "__main__.py").is_file()
    ):
        return False
    memory.package = memory.package or os.path.realpath(package)
    return os.path.realpath(package) == memory.package


def _same_archive(script: Path, context: Context) -> bool:
    """`python pip.pyz …` and `python pip.whl/pip …` run the same archive again."""
    ours = _archive(script)
    words = (Path(context.manager.cwd, word) for word in context.manager.argv[1:])
    return ours is not None and not context.written_by_package(ours) and ours in map(_archive, words)


def _archive(path: Path) -> str | None:
    """The file in which a path lies that goes on inside it."""
    return next((os.path.realpath(place) for place in (path, *path.parents) if place.is_file()), None)


def _named_interpreter(context: Context) -> str | None:
    """The real image of what `--python` names: an interpreter or a virtual environment."""
    manager = context.manager
    named = option("python", parse(after_pip(manager.argv)), manager.argv[0], manager.environment)
    if not named:
        return None
    path = Path(manager.cwd, named)
    return os.path.realpath(path / "bin" / "python" if path.is_dir() else path)
