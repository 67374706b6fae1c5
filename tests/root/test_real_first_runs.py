"""Real popular packages, installed and first run under the daemon: no refusal, not even of a cloud SDK.

`make test` runs a few; `make real-first-runs` (the mark `many`) some thirty.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab.daemon import Daemon, as_user, environment, hand_to_user, user_venv
from lab.demands import demand
from lab.guard import Outcome
from lab.world import World
from uv_program import uv_program

pytestmark = [pytest.mark.root, pytest.mark.timeout(230, method="thread")]

_FEW = {
    "requests": "import requests; print(requests.__version__)",
    "rich": "from rich import print; print('[b]hello')",
    "attrs": "import attr; print(attr.__version__)",
    "boto3": "import boto3; s = boto3.Session(); c = s.get_credentials(); print(c.access_key[:4])",
    "pytest-asyncio": "import asyncio, pytest_asyncio; print(asyncio.run(asyncio.sleep(0, 1)))",
}
"""What is installed, and a program that uses it as its own pages show."""
_MANY = _FEW | {
    "google-cloud-storage": "from google.cloud import storage; print(storage.Client.create_anonymous_client())",
    "google-auth": (
        "import google.auth.exceptions\n"
        "try: google.auth.default()\n"
        "except google.auth.exceptions.DefaultCredentialsError as error: print(error)"
    ),
    "azure-identity": "from azure.identity import AzureCliCredential, EnvironmentCredential; EnvironmentCredential()",
    "azure-storage-blob": (
        "from azure.storage.blob import BlobServiceClient;"
        " print(BlobServiceClient('https://x.example').account_name)"
    ),
    "kubernetes": "from kubernetes import client, config; print(client.CoreV1Api)",
    "huggingface-hub": "import huggingface_hub; print(huggingface_hub.get_token()[:3])",
    "paramiko": "import paramiko; paramiko.SSHConfig(); print(paramiko.RSAKey.generate(1024).get_name())",
    "docker": "import docker; print(docker.DockerClient(base_url='tcp://192.0.2.1:1', version='1.41'))",
    "numpy": "import numpy; print((numpy.ones((50, 50)) @ numpy.ones((50, 50))).sum())",
    "flask": "import flask; a = flask.Flask('x'); a.route('/')(lambda: 'ok'); print(a.test_client().get('/').data)",
    "fastapi": "import fastapi; print(fastapi.FastAPI().openapi()['openapi'])",
    "sqlalchemy": (
        "import sqlalchemy as s; print(s.create_engine('sqlite://').connect().execute(s.text('select 1')).scalar())"
    ),
    "httpx": "import httpx; print(httpx.Client())",
    "ipython": "import IPython; print(IPython.__version__)",
    "pydantic": "import pydantic; print(pydantic.TypeAdapter(int).validate_python('1'))",
    "black": "import black; print(black.format_str('x=1', mode=black.Mode()))",
    "joblib": "import joblib; print(joblib.Parallel(2)(joblib.delayed(abs)(-n) for n in range(4)))",
    "psutil": "import psutil; print(len([p.info for p in psutil.process_iter(['name', 'cmdline'])]) > 0)",
}
_TOOLS = ["pytest", "pytest-cov", "pytest-xdist", "ipykernel", "nbclient"]
_NODE = {
    "typescript": ["node_modules/.bin/tsc", "--version"],
    "prettier": ["node_modules/.bin/prettier", "--version"],
    "eslint": ["node_modules/.bin/eslint", "--version"],
    "semver": ["node_modules/.bin/semver", "1.2.3"],
    "@aws-sdk/credential-providers": [
        "node",
        "-e",
        "require('@aws-sdk/credential-providers').fromIni()().then(c => console.log(c.accessKeyId.slice(0, 4)))",
    ],
}
_NOTEBOOK = """
import nbclient, nbformat
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
nbclient.NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
print(notebook.cells[0].outputs[0].text)
"""
_CHECKS = "def test_it(tmp_path):\n    assert tmp_path.exists()\n"
_PIP_MOST = 10
_INDEX = ("PIP_", "UV_", "SSL_CERT_")


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """A home with decoys."""
    with World([]) as made:
        yield made


@pytest.fixture
def house(world: World) -> Path:
    """A virtual environment of the made-up user; without a package index there is no test."""
    made = world.folder / "venv"
    python = str(user_venv() / "bin" / "python3")
    subprocess.run([python, "-m", "venv", str(made)], check=True, timeout=120, env=environment(world))
    hand_to_user(world)
    return made


@pytest.fixture
def daemon(guard: None, world: World) -> Iterator[Daemon]:
    """A daemon under `standard`."""
    with Daemon(world) as running:
        yield running


def test_popular_packages_are_left_alone(world: World, house: Path, daemon: Daemon) -> None:
    """Installed, imported, run by their scripts; boto3 gets ~/.aws, and nobody else's secret is asked for."""
    _install(world, house, daemon, [*_FEW, "pytest"])
    _use(world, house, _FEW)
    _check(world, house, [])
    _expect_no_refusal(daemon, 2 + len(_FEW))


@pytest.mark.many
@pytest.mark.timeout(900, method="thread")
def test_many_popular_packages_are_left_alone(world: World, house: Path, daemon: Daemon) -> None:
    """Cloud SDKs, test plugins with workers, a notebook with its kernel, tools: each first run goes unrefused."""
    # A client of registries parses what it reads: the decoy is none it could.
    world.home.path("~/.docker/config.json").write_text(
        '{"auths": {"hub.example": {"auth": "YW5uOnBhc3M="}}}\n'
    )
    _install(world, house, daemon, [*_MANY, *_TOOLS])
    _use(world, house, _MANY)
    _check(world, house, ["-n", "2", "--cov", "test_it"])
    _run(world, house, ["python", "-c", _NOTEBOOK], says="42")
    _expect_no_refusal(daemon, 3 + len(_MANY))


@pytest.mark.many
@pytest.mark.timeout(900, method="thread")
def test_popular_node_tools_are_left_alone(world: World, daemon: Daemon) -> None:
    """Compilers, formatters and a cloud SDK's credentials, by bin shim and by require."""
    npm = shutil.which("npm")
    demand(None if npm else "npm is not here")
    settings = Path("/etc/npmrc")
    configured = {name: value for name, value in os.environ.items() if name.startswith("NODE_EXTRA")}
    configured |= {"npm_config_globalconfig": str(settings)} if settings.exists() else {}
    project = world.project
    hand_to_user(world)
    done = as_user(world, [str(npm), "install", *_NODE], configured, project, limit=300)
    demand(None if done.status == 0 else f"no registry: {done.err[:900]}")
    daemon.settled(1, 60)
    for command in _NODE.values():
        ran = as_user(world, command, cwd=project)
        assert ran.status == 0, ran.out + ran.err
    _expect_no_refusal(daemon, 1 + len(_NODE))


def _install(world: World, house: Path, daemon: Daemon, packages: list[str]) -> None:
    configured = {name: value for name, value in os.environ.items() if name.startswith(_INDEX)}
    configured.pop("PIP_CONFIG_FILE", None)
    command = [str(house / "bin" / "pip"), "install", "-q", *packages]
    if len(packages) > _PIP_MOST and (uv := uv_program()):  # pip takes minutes for a hundred
        command = [str(uv), "pip", "install", "-q", "--python", str(house / "bin" / "python"), *packages]
    done = as_user(world, command, {**configured, "PIP_CONFIG_FILE": "/etc/pip.conf"}, limit=600)
    demand(None if done.status == 0 else f"no package index: {done.err[-300:]}")
    daemon.settled(1, 60)


def _use(world: World, house: Path, programs: Mapping[str, str]) -> None:
    for name, code in programs.items():
        _run(world, house, ["python", "-c", code], name)


def _check(world: World, house: Path, options: list[str]) -> None:
    (world.folder / "test_it.py").write_text(_CHECKS)
    hand_to_user(world)
    _run(world, house, ["pytest", "-q", "-p", "no:cacheprovider", *options, str(world.folder / "test_it.py")])


def _run(world: World, house: Path, command: list[str], name: str = "", says: str = "") -> Outcome:
    ran = as_user(world, [str(house / "bin" / command[0]), *command[1:]])
    assert ran.status == 0, f"{name}: {ran.out}{ran.err}"
    assert says in ran.out
    return ran


def _expect_no_refusal(daemon: Daemon, runs: int) -> None:
    ended = daemon.settled(runs, 60)
    assert {run["verdict"] for run in ended} <= {"clean", "findings"}, daemon.log
    assert len(ended) == runs, [run["command"] for run in ended]
