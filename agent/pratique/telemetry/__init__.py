"""What leaves the host, and only once it was enrolled: spool, uplink (a process of its own), control documents.

`place` and `poke` are light; everything else is imported after the guarded command has ended, or by another process.
"""
