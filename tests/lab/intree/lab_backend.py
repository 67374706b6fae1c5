"""A PEP 517 backend small enough to ship in each replica: it runs the act, then zips the modules."""

import base64
import hashlib
import tomllib
import zipfile
from pathlib import Path
from typing import Any

_OWN = {"act.py", "lab_backend.py", "setup.py"}


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: object = None) -> str:
    """Write the metadata pip asks for before it builds."""
    folder = Path(metadata_directory, f"{_stem()}.dist-info")
    folder.mkdir()
    folder.joinpath("METADATA").write_text(_metadata(), encoding="utf-8")
    folder.joinpath("WHEEL").write_text(_WHEEL, encoding="utf-8")
    return folder.name


def build_wheel(
    wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None
) -> str:
    """Do what the replica does, then what every backend does."""
    if Path("act.py").exists():
        import act  # type: ignore[import-not-found]

        act.act()
    info = f"{_stem()}.dist-info"
    shipped = [*sorted(Path().rglob("*.py")), *sorted(Path().glob("*.pth"))]
    files = {str(path): path.read_bytes() for path in shipped if path.name not in _OWN}
    if Path("entry_points.txt").exists():
        files[f"{info}/entry_points.txt"] = Path("entry_points.txt").read_bytes()
    files |= {f"{info}/METADATA": _metadata().encode(), f"{info}/WHEEL": _WHEEL.encode()}
    name = f"{_stem()}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, name), "w") as wheel:
        for path, data in files.items():
            wheel.writestr(path, data)
        wheel.writestr(f"{info}/RECORD", _record(files, f"{info}/RECORD"))
    return name


_WHEEL = "Wheel-Version: 1.0\nGenerator: lab_backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _stem() -> str:
    project = _project()
    return f"{project['name'].replace('-', '_')}-{project['version']}"


def _metadata() -> str:
    project = _project()
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {wanted}" for wanted in project.get("dependencies", [])]
    return "\n".join(lines) + "\n"


def _record(files: dict[str, bytes], own: str) -> str:
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in files.items()]
    return "\n".join([*rows, f"{own},,", ""])


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
