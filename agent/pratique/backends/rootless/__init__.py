"""The `rootless` backend: the same rules with no privilege at all, for the tree of one wrapped command.

Landlock refuses in the kernel whatever nobody may touch by himself; a supervisor answers the calls that decide
something (seccomp user notification), on copies of what the caller said, and does itself what it allows
where Landlock would not. A decision on a string that the caller could change afterwards never opens anything:
what is let go on is bounded by Landlock, and what a program is, is read after its exec.
"""
