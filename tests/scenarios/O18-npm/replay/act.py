import contextlib
import urllib.request


def act():
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@SINK@:8080/alive", timeout=3)
