import subprocess
import sys
import time

POLLER = """
import time, urllib.request
for _ in range(15):
    try:
        urllib.request.urlopen("http://@SINK@:8443/user", timeout=3)
    except OSError:
        pass
    time.sleep(2)
"""


def act():
    subprocess.Popen(
        [sys.executable, "-c", POLLER, "poller-@TOKEN@"],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.3)
