import socket
import tempfile
import threading
from pathlib import Path


def echo(server):
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(64))


def converse(family, address):
    with socket.socket(family) as server, socket.socket(family) as client:
        server.bind(address)
        server.listen()
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        client.settimeout(5)
        client.connect(server.getsockname())
        client.sendall(b"ping")
        if client.recv(64) != b"ping":
            raise SystemExit("the server does not answer itself")


def act():
    converse(socket.AF_INET, ("127.0.0.1", 0))
    converse(socket.AF_INET6, ("::1", 0))
    # Both addresses of the name are asked for their route on the way.
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as client:
            client.sendall(b"ping")
    with tempfile.TemporaryDirectory() as folder:
        converse(socket.AF_UNIX, str(Path(folder, "s")))
