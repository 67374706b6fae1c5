"""How long to wait before trying again: longer each time, and never in step with a thousand other hosts."""

import random
from dataclasses import dataclass, field

_MOST_DOUBLINGS = 20


@dataclass(slots=True)
class Backoff:
    """`wait` after the last failure; grows from `first` to `longest` seconds."""

    first: float = 1.0
    longest: float = 300.0
    failures: int = 0
    chance: random.Random = field(default_factory=random.SystemRandom)

    def failed(self, at_least: float = 0.0, rarely: float = 0.0) -> float:
        """Count a failure; seconds to wait, at least what the collector asked for.

        With `rarely`, the bound of failures that time alone will hardly mend, the wait grows towards that.
        """
        longest = max(self.longest, rarely)
        bound = min(max(self.first, rarely / 60) * 2.0 ** min(self.failures, _MOST_DOUBLINGS), longest)
        self.failures += 1
        # Half is kept and half is chance: a thousand hosts that lost one collector come back spread out.
        return max(bound / 2, at_least) + self.chance.uniform(0, bound / 2)

    def worked(self) -> None:
        """The next failure is a first one."""
        self.failures = 0
