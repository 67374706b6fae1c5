"""yarn, classic and berry. Nothing is imported here: only `facts` is needed before the command starts."""
