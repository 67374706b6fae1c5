"""corepack, which fetches another manager and becomes it. Nothing is imported here: only `facts` is needed early."""
