"""The parity table: scenario × backend × kernel, each cell proved in a booted machine."""

from collections.abc import Iterable, Mapping


class Parity:
    """Collects rows of several machines and prints them beside each other."""

    def __init__(self) -> None:
        self.levels: dict[str, dict[str, str]] = {}
        self.columns: list[str] = []

    def add(self, column: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Note what one machine proved."""
        self.columns.append(column)
        for row in rows:
            self.levels.setdefault(row["scenario"].removeprefix("attempt:"), {})[column] = row["level"]

    def __str__(self) -> str:
        width = max(map(len, self.levels), default=0)
        head = [" " * width, *self.columns]
        body = [
            [name.ljust(width), *(found.get(column, "-").ljust(len(column)) for column in self.columns)]
            for name, found in self.levels.items()
        ]
        return "\n".join("  ".join(line).rstrip() for line in [head, *body])
