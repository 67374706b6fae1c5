"""The backends behind one interface (`base`), what chooses among them (`choice`), and what proves them (`coverage`).

Nothing is imported here: the launcher begins to load the kernel programs before it imports the rest.
"""

NAMES = ("auto", "lsm", "hooks", "rootless")
"""What `--backend` takes."""
