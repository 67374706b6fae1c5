"""Boots real kernels under emulation, and proves in them what this machine's own kernel refuses to load."""
