"""The system-wide guard: runs that nobody wrapped, first runs, and a socket to ask it."""
