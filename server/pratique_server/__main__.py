"""`python -m pratique_server`."""

from pratique_server.cli import entry

entry()
