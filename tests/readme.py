"""The commands that README.md shows: those anyone can run (```sh) and those that need root (```sh root)."""

import re
from pathlib import Path

_PAGE = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"^```sh(?P<root> root)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(*, root: bool) -> list[str]:
    """Return them in order, one a line."""
    texts = (block["text"] for block in _BLOCK.finditer(_PAGE.read_text()) if bool(block["root"]) == root)
    return [line for text in texts for line in text.splitlines() if line.strip()]
