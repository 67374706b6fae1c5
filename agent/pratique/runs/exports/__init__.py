"""A report in the formats of others: data in, text out; everything in it was redacted when the report was made."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

FORMATS: Mapping[str, str] = {
    "sarif": "sarif",
    "ocsf": "ocsf",
    "cyclonedx": "cyclonedx",
    "in-toto": "intoto",
}
"""Name on the command line → module of this package."""


def exported(report: Mapping[str, Any], how: str) -> str:
    """The report as `how` wants it, ending in a line break."""
    text: str = import_module(f"{__name__}.{FORMATS[how]}").text(report)
    return text
