"""bun as a package manager, and bunx. Nothing is imported here: only `facts` is needed before the command starts."""
