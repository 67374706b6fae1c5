"""The arrows of the architecture: who may import whom, and what the launcher may load."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("typer", "rich", "pydantic", "yaml", "grpc", "google.protobuf", "psutil", "msgpack", "packaging")
UNWANTED = (
    *HEAVY,
    "asyncio",
    "logging",
    "urllib.request",
    "http",
    "packageurl",
    "pratique.api",
    "pratique_server",
    # Of the standard library: ADR 34.
    "dataclasses",
    "inspect",
    "subprocess",
    "tempfile",
    # Of libbpf: what only `lsm` or a failure asks for.
    "pratique.backends.libbpf.btf",
    "pratique.backends.libbpf.explaining",
    "pratique.backends.libbpf.programs",
)

# What the launcher may import before the guarded command starts, beside the line it comes in by.
LEAN_MODULES = (
    "pratique.entry",
    "pratique.cli.run",
    "pratique.runs.store",
    "pratique.session",
    "pratique.backends.hooks.backend",
)

# A line that breaks each contract of pyproject.toml, and the module it is put in.
VIOLATIONS = {
    "runs judge events of any backend": ("agent/pratique/runs/wrong.py", "import pratique.backends.hooks"),
    "managers and policy stand below": ("agent/pratique/policy/wrong.py", "import pratique.runs"),
    "backends refuse": ("agent/pratique/backends/wrong.py", "import pratique.runs"),
    "only the command line starts": ("agent/pratique/runs/wrong.py", "import pratique.cli"),
    "telemetry is told of runs": ("agent/pratique/runs/wrong.py", "import pratique.telemetry.place"),
    "what a run imports of telemetry": (
        "agent/pratique/telemetry/poke.py",
        "import pratique.telemetry.link",
    ),
    "the server shares nothing": ("server/pratique_server/wrong.py", "import pratique.model"),
}


def _environment(root: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": f"{root / 'agent'}:{root / 'server'}"}


def _contracts(root: Path) -> subprocess.CompletedProcess[str]:
    lint = Path(sys.executable).with_name("lint-imports")
    command = [lint, "--no-cache", "--no-logo", "--config", root / "pyproject.toml"]
    environment = _environment(root)
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def _copy(root: Path) -> Path:
    for name in ("agent", "server"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_imports_keep_the_contracts() -> None:
    """Every arrow of docs/architecture.md holds."""
    done = _contracts(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_each_contract_can_fail(contract: str, tmp_path: Path) -> None:
    """A contract that nothing can break guards nothing."""
    module, line = VIOLATIONS[contract]
    (_copy(tmp_path) / module).write_text(line + "\n")

    broken = [line for line in _contracts(tmp_path).stdout.splitlines() if " BROKEN" in line]

    assert any(line.startswith(contract) for line in broken), broken


def _loaded_by(*modules: str) -> list[str]:
    """Names in `sys.modules` of a fresh interpreter, without site-packages' own start-up imports."""
    program = (
        "import sys; before = set(sys.modules)\n"
        + "".join(f"import {module}\n" for module in modules)
        + "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=_environment(ROOT),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def _unwanted(loaded: list[str]) -> list[str]:
    return [name for name in UNWANTED if any(f"{module}.".startswith(f"{name}.") for module in loaded)]


def test_the_launcher_loads_nothing_heavy() -> None:
    """`pratique run` starts the command before any heavy library is loaded: start-up is what users feel."""
    assert _unwanted(_loaded_by(*LEAN_MODULES)) == []


@pytest.mark.parametrize("heavy", ["yaml", "rich.console", "google.protobuf", "dataclasses"])
def test_a_heavy_import_would_be_seen(heavy: str) -> None:
    """The check above is not blind."""
    assert _unwanted(_loaded_by(heavy))
