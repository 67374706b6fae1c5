"""What docs/recipes.md and recipes/ tell people to run, taken out of them for the tests."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "recipes"
PAGE = ROOT / "docs" / "recipes.md"
NEED_THE_SERVICE = ("get Pratique",)
"""Steps that only make sense on the service's own machine: read, never run."""

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown() -> list[str]:
    """The commands of the page, in order."""
    return [line for block in _BLOCK.findall(PAGE.read_text()) for line in block.splitlines() if line.strip()]


def workflow() -> dict[str, Any]:
    """The one job of the GitHub workflow."""
    loaded: dict[str, Any] = yaml.safe_load((BOOK / "github-actions.yml").read_text())
    (job,) = loaded["jobs"].values()
    return dict(job)


def pipeline() -> dict[str, Any]:
    """The one job of the GitLab pipeline."""
    loaded: dict[str, Any] = yaml.safe_load((BOOK / "gitlab-ci.yml").read_text())
    (job,) = loaded.values()
    return dict(job)


def workflow_script() -> str:
    """What GitHub would give to bash, step after step, but for what needs the service."""
    steps = workflow()["steps"]
    return "\n".join(
        step["run"] for step in steps if "run" in step and step.get("name") not in NEED_THE_SERVICE
    )


def pipeline_script() -> str:
    """What GitLab would give to the shell."""
    return "\n".join(pipeline()["script"])


def image_lines() -> list[str]:
    """The RUN lines of the Dockerfile."""
    lines = (BOOK / "Dockerfile").read_text().splitlines()
    return [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ")]


def scripts() -> dict[str, str]:
    """Each piece of shell by its name."""
    return {
        "github": "\n".join(step["run"] for step in workflow()["steps"] if "run" in step),
        "gitlab": pipeline_script(),
        "docker": "\n".join(image_lines()),
        "interpreter": (BOOK / "guarded-python").read_text(),
        "page": "\n".join(shown()),
    }
