"""The state of a run: events in, attribution and findings, report out. Imports no backend."""
