"""The rootless backend tried for real: acts, races and bad days."""
