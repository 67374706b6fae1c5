"""What package code might try, on decoys: run in a guarded child to prove coverage, and unguarded as control.

Nothing here does harm even unguarded: each touches decoys below HOME, processes made for it, or kernel objects
that die with it. A module per kind of act; `python -m pratique.backends.attempts` makes them.
"""

from pratique.backends.attempts import files, network, processes, programs
from pratique.backends.attempts.base import ATTEMPTS, Attempted, Decoys, Outcome

__all__ = ["ATTEMPTS", "Attempted", "Decoys", "Outcome", "files", "network", "processes", "programs"]
