"""The laboratory: remote hosts that are not, homes worth stealing from, packages that misbehave to order.

Nothing here leaves the machine: every "remote" address lives in a network namespace of this process.
"""
