import shutil
import subprocess
import sys


def say(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def act():
    say("git", "init", "-q", ".")
    say("git", "add", "pyproject.toml")
    say("git", "commit", "-q", "-m", "stamp")
    say("git", "tag", "v0.8.0")
    found = {
        "describe": say("git", "describe", "--tags") == "v0.8.0",
        "author": say("git", "config", "--global", "user.name") == "Ann Decoy",
        "shell": say("sh", "-c", "uname -s | tr A-Z a-z") == "linux",
        "inline": say(sys.executable, "-c", "print(6 * 7)") == "42",
        "node": not shutil.which("node") or say("node", "-e", "console.log(6 * 7)") == "42",
    }
    if not all(found.values()):
        raise SystemExit(f"a tool does not work: {found}")
