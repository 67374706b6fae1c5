"""Rules, groups and policy files: loaded, checked, compiled to one Policy, and lowered to a backend."""
