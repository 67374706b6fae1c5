"""pdm. Nothing is imported here: only `facts` is needed before the command starts."""
