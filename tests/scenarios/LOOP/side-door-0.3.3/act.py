import contextlib
import urllib.request


def act():
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://127.0.0.1:@LOOPBACK@/api/contents", b"knock-@TOKEN@", timeout=3)
