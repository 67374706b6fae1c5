"""Runs in the guest: a real pip and a real npm install of a benign and of a thieving package, guarded and not."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path("/root/installs")
SECRET, START = Path("/root/.aws/credentials"), Path("/root/.bashrc")
_THEFT = """
import pathlib
for act in (lambda: pathlib.Path("{taken}").write_text(pathlib.Path("{secret}").read_text()),
            lambda: open("{start}", "a").write("planted")):
    try:
        act()
    except OSError:
        pass
"""
_THEFT_JS = """
const fs = require('fs');
for (const act of [() => fs.writeFileSync('{taken}', fs.readFileSync('{secret}')),
                   () => fs.appendFileSync('{start}', 'planted')]) {{ try {{ act() }} catch {{}} }}
"""
_SETUP = "from setuptools import setup\nsetup(name='{name}', version='1.0', py_modules=[])\n{code}"


def _source(name: str, code: str) -> None:
    folder = ROOT / "dist" / f"{name}-1.0"
    folder.mkdir(parents=True)
    (folder / "setup.py").write_text(_SETUP.format(name=name, code=code))
    (folder / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    with tarfile.open(ROOT / "dist" / f"{name}-1.0.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)


def _package(name: str, code: str) -> Path:
    folder = ROOT / "npm" / name / "package"
    folder.mkdir(parents=True)
    described = {"name": name, "version": "1.0.0", "scripts": {"postinstall": "node steal.js"}}
    (folder / "package.json").write_text(json.dumps(described))
    (folder / "steal.js").write_text(code)
    packed = ROOT / "npm" / f"{name}-1.0.0.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(folder, "package")
    return packed


def _installed(kind: str, project: Path) -> bool:
    if kind == "npm":
        return (project / "node_modules/honest/package.json").exists()
    return subprocess.run(["pip", "show", "-q", "honest"], check=False).returncode == 0


def _install(kind: str, argv: list[str], guard: list[str]) -> dict[str, object]:
    taken = ROOT / f"taken-{kind}"
    taken.unlink(missing_ok=True)
    START.write_text("# mine\n")
    report = ROOT / "report.json"
    command = [*guard, *argv] if not guard else [*guard, "--report", str(report), "--", *argv]
    project = ROOT / "project"
    shutil.rmtree(project, ignore_errors=True)  # npm would find everything there, and run nothing
    project.mkdir()
    (project / "package.json").write_text('{"name": "project", "version": "1.0.0"}')
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    told = json.loads(report.read_text())["findings"] if guard else []
    return {
        "status": done.returncode,
        "leaked": taken.exists() and "canary" in taken.read_text(),
        "planted": "planted" in START.read_text(),
        "findings": [
            {key: found[key] for key in ("rule", "action", "act", "actor", "package", "level")}
            for found in told
        ],
        "installed": _installed(kind, project),
        "said": (done.stdout + done.stderr)[-1500:],
    }


def main(backend: str, control: str) -> None:
    """Print what came of each install, with the guard, and without it too where `control` is `free`."""
    SECRET.parent.mkdir(exist_ok=True)
    SECRET.write_text("canary")
    places = {"secret": SECRET, "start": START}
    _source("thief", _THEFT.format(taken=ROOT / "taken-pip", **places))
    _source("honest", "")
    thief = _package("thief", _THEFT_JS.format(taken=ROOT / "taken-npm", **places))
    honest = _package("honest", "console.log('built')")
    pip = ["pip", "install", "-q", "--break-system-packages", "--no-build-isolation", "--no-index"]
    pip += ["--no-cache-dir", "--force-reinstall", f"--find-links={ROOT / 'dist'}"]
    npm = ["npm", "install", "--offline", "--no-audit", "--no-fund", "--foreground-scripts"]
    guard = ["pratique", "run", "--backend", backend]
    os.environ["npm_config_cache"] = str(ROOT / "cache")  # noqa: SIM112 (its name)
    # The control needs the thief only: an emulated npm takes its time.
    both = {"pip": ([*pip, "thief"], ["honest"]), "npm": ([*npm, str(thief)], [str(honest)])}
    found: dict[str, dict[str, object]] = {kind: {} for kind in both}
    for kind, (argv, more) in both.items():
        if control == "free":
            found[kind]["free"] = _install(kind, argv, [])
        found[kind]["held"] = _install(kind, [*argv, *more], guard)
    print(json.dumps(found))


main(*sys.argv[1:])
