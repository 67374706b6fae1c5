"""The numbers of the wire: versions and bounds that both sides keep to (docs/wire.md)."""

PROTOCOL = 1
"""Version that this code writes."""
OLDEST_PROTOCOL = 1
"""Oldest version that a collector of this age still takes: the current one and the one before."""

MOST_RECORDS = 8_192
"""Events in one batch; hosts cut earlier (`CUT_RECORDS`)."""
MOST_PAYLOAD = 1 << 20
"""Bytes of a compressed payload."""
MOST_RAW = 8 << 20
"""Bytes of a payload after decompression."""
MOST_MESSAGE = 4 << 20
"""Bytes of one request: the collector's receive limit."""
MOST_FINDINGS = 256
"""Findings in one batch; packages and gaps likewise."""
MOST_INSTALLED = 10_000
"""Packages that one run installed; hosts leave out more, and say how many."""
MOST_TEXT = 16 << 10
"""Characters of one text; hosts cut longer ones."""
MOST_WORDS = 256
"""Words of one command line; hosts cut longer ones."""
MOST_GROUPS = 64
"""Groups of one object."""
MOST_EXPANDED = 64 << 20
"""Characters of all texts of a batch when every reference is written out: what a small payload may grow to."""

CUT_RECORDS = 4_096
"""Where a host ends a batch and begins the next."""

RETRY_AFTER = "pratique-retry-after-ms"
"""Trailing metadata in which a collector says when to come again."""


class WireError(ValueError):
    """Bytes from the wire that are not what they should be; the text is safe to log and short."""
