"""A user of any manager of Python packages: a home, a project, an index on loopback, and the real client traced."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from clients import client
from pip_tracer import Tree, trace
from pratique.managers.base import Stopped
from uv_program import uv_program

_SYSTEM = '[build-system]\nrequires = {needs}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
_PROJECT = '[project]\nname = "{name}"\nversion = "1.2"\ndependencies = {wants}\n'
_BACKEND = """
import zipfile
_METADATA = "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.2\\n" + "".join(
    f"Requires-Dist: {each}\\n" for each in {wants}
)
def _write(path):
    with zipfile.ZipFile(f"{path}/{module}-1.2-py3-none-any.whl", "w") as wheel:
        files = {
            "{module}.py": "def main():\\n    print('hello')\\n",
            "{module}-1.2.dist-info/METADATA": _METADATA,
            "{module}-1.2.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
            "{module}-1.2.dist-info/entry_points.txt": "[console_scripts]\\n{name} = {module}:main\\n",
        }
        for file, text in files.items():
            wheel.writestr(file, text)
        wheel.writestr("{module}-1.2.dist-info/RECORD", "".join(f"{file},,\\n" for file in files))
    return "{module}-1.2-py3-none-any.whl"
def build_wheel(path, settings=None, metadata=None):
    import subprocess
    subprocess.run(["uname", "-rs"], check=True, stdout=subprocess.DEVNULL)
    return _write(path)
def build_editable(path, settings=None, metadata=None):
    return _write(path)
def build_sdist(path, settings=None):
    import tarfile
    with tarfile.open(f"{path}/{module}-1.2.tar.gz", "w:gz") as archive:
        for file in ("PKG-INFO", "pyproject.toml", "backend.py"):
            archive.add(file, f"{module}-1.2/{file}")
    return "{module}-1.2.tar.gz"
"""


def project(name: str, needs: str = "[]", wants: str = "[]", more: str = "") -> dict[str, str]:
    """The files of a package with a back end of its own that needs nothing."""

    def filled(text: str) -> str:
        for word, value in {
            "name": name,
            "module": name.replace("-", "_"),
            "needs": needs,
            "wants": wants,
        }.items():
            text = text.replace(f"{{{word}}}", value)
        return text

    return {
        "PKG-INFO": filled("Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n"),
        "pyproject.toml": filled(_SYSTEM + _PROJECT) + more,
        "backend.py": filled(_BACKEND),
    }


def sdist(folder: Path, files: dict[str, str], name: str) -> Path:
    """Pack them as a source archive."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-1.2.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            member = tarfile.TarInfo(f"{name}-1.2/{file}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


@dataclass(frozen=True, slots=True)
class Kind:
    """How one of them is told what to do."""

    add: tuple[str, ...]
    environment: Callable[[str], dict[str, str]]
    project: str = ""
    """Its pyproject.toml, with `@INDEX@` where the index stands."""


_POETRY = """
[project]
name = "mine"
version = "1.0"
requires-python = ">=3.11"

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "good"
url = "@INDEX@"
"""


_PDM = """
[project]
name = "mine"
version = "1.0"
requires-python = ">=3.11"

[tool.pdm]
distribution = false

[[tool.pdm.source]]
name = "pypi"
url = "@INDEX@"
verify_ssl = false
"""


def _pdm(_: str) -> dict[str, str]:
    return {"PDM_CHECK_UPDATE": "0"}


def _poetry(_: str) -> dict[str, str]:
    return {
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "POETRY_NO_INTERACTION": "1",
        "POETRY_KEYRING_ENABLED": "false",
    }


def _pipx(index: str) -> dict[str, str]:
    uv = uv_program()
    program = client("pipx")
    path = f"{program.parent if program else ''}:{uv.parent if uv else ''}:/usr/bin:/bin"
    return {"PATH": path, "UV_DEFAULT_INDEX": index, "UV_PYTHON_DOWNLOADS": "never"}


KINDS = {
    "pipx": Kind(("run",), _pipx),
    "poetry": Kind(("add",), _poetry, _POETRY),
    "pdm": Kind(("add",), _pdm, _PDM),
}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the test's output is the test's."""


@dataclass
class House:
    """A home, a project, an index, and one manager."""

    name: str
    top: Path
    port: int
    written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.kind = KINDS[self.name]
        self.index = f"http://127.0.0.1:{self.port}/good/"
        for folder in ("home", "mine", "tmp", "good", "files"):
            (self.top / folder).mkdir()
        if self.kind.project:
            (self.mine / "pyproject.toml").write_text(self.kind.project.replace("@INDEX@", self.index))

    @property
    def mine(self) -> Path:
        """The project."""
        return self.top / "mine"

    def publish(self, name: str, file: str = "", **more: str) -> Path:
        """Put a source archive into the index, under another name than its own if one is given."""
        path = sdist(self.top / "files", project(name, **more), name)
        listed = file or path.name
        if listed != path.name:
            path = path.rename(path.with_name(listed))
        page = self.top / "good" / listed.rpartition("-")[0].replace("_", "-") / "index.html"
        page.parent.mkdir(parents=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        page.write_text(f'<a href="/files/{listed}#sha256={digest}">{listed}</a>')
        return path

    def add(self, *names: str, at_exec: Callable[[Stopped], None] = lambda child: None) -> Tree:
        """Install packages by name, judging all that the manager starts."""
        return self.run(*self.kind.add, *names, at_exec=at_exec)

    def run(self, *words: str, at_exec: Callable[[Stopped], None] = lambda child: None) -> Tree:
        """Run the manager to its end, judging all that it starts."""
        program = str(client(self.name))
        said = environment(self.name, self.top, self.index)
        return trace([program, *words], self.mine, said, lambda path: path in self.written, at_exec)


def environment(name: str, top: Path, index: str) -> dict[str, str]:
    """What a user has set who installs with this manager from this index, below a folder of their own."""
    program = client(name)
    return {
        "PATH": f"{program.parent if program else ''}:/usr/bin:/bin",
        "HOME": str(top / "home"),
        "TMPDIR": str(top / "tmp"),
        "LANG": "C.UTF-8",
        "PIP_INDEX_URL": index,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **KINDS[name].environment(index),
    }


@contextmanager
def house_in(name: str, top: Path) -> Iterator[House]:
    """Everything one test needs, below a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(top)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield House(name, top, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
