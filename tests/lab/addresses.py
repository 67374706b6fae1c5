"""Addresses and ports that replicas count on: documentation blocks, and the well-known metadata address."""

ROLES = {
    "sink": 2,
    "index": 3,
    "registry": 4,
    "code": 5,
    "prebuilt": 6,
    "resolver": 7,
    "rogue": 8,
    "proxy": 9,
}
"""Each remote host's place in the lab's block; 1 is the near side."""
SINK_PORTS = (8000, 8080, 8443, 9050)
METADATA = "169.254.169.254"
ROGUE_PORTS = (53, 5353)
PREBUILT_PORTS = (443, 8443)
