import contextlib
import time
import urllib.request


def call():
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@METADATA@/latest/", timeout=3)
    time.sleep(1.5)


call()
