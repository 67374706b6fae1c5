"""Findings as they come, for other systems: webhook, syslog, OTLP; each sink keeps its place, and misses nothing."""
