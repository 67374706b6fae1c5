"""Compiles in a child: a policy is parsed with heavy libraries, which the launcher must not hold."""

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pratique
from pratique.errors import ConfigError
from pratique.policy.sources import Text

_SECONDS_TO_COMPILE = 60


def ask(texts: Sequence[Text], profile: str | None, mode: str) -> str:
    """The compiled policy as `codec` writes it; `ConfigError` starts with the file and line at fault."""
    # -P and a path of our own: a module in the project's directory must not be imported by the guard.
    environment = {"PYTHONPATH": str(Path(pratique.__file__).parent.parent), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pratique.policy.compile"],
        input=_question(texts, profile, mode).encode(),
        capture_output=True,
        env=environment,
        cwd="/",
        timeout=_SECONDS_TO_COMPILE,
        check=False,
    )
    if done.returncode != 0:
        raise _error(done.stdout, done.stderr)
    return done.stdout.decode()


def _question(texts: Sequence[Text], profile: str | None, mode: str) -> str:
    files = [[text.path, text.kind, text.trusted, base64.b64encode(text.data).decode()] for text in texts]
    return json.dumps({"profile": profile, "mode": mode, "files": files})


def _error(stdout: bytes, stderr: bytes) -> ConfigError:
    try:
        answer = json.loads(stdout)
        return ConfigError(str(answer["what"]), str(answer["mend"]))
    except (ValueError, KeyError, TypeError):
        last = stderr.decode(errors="replace").strip().splitlines()[-1:]
        return ConfigError(f"the policy could not be compiled: {last[0] if last else 'no reason given'}")
