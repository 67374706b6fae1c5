"""Addresses and ports that replicas count on: documentation blocks, and the well-known metadata address."""

SINK_PORTS = (8000, 8080, 8443)
METADATA = "169.254.169.254"
