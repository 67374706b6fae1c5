"""pnpm, and pnpx which is `pnpm dlx`. Nothing is imported here: only `facts` is needed before the command starts."""
