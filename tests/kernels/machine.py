"""One booted kernel: a QEMU process without hardware help, a console that is kept, a line that runs commands."""

import base64
import json
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_EMULATOR = "qemu-system-x86_64"
_BOOT_SECONDS = 300
# The check of the timer panics where the emulator gets too little of a busy processor.
_OPTIONS = "root=/dev/nvme0n1 rw rootwait console=ttyS0 panic=-1 quiet no_timer_check init=/opt/guest/init"
_MEMORY = "1024"
_CONSOLE_LINES = 40


class MachineError(Exception):
    """The machine did not boot or does not answer; the message ends with its console."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command in the guest ended."""

    status: int
    output: str


class Machine:
    """Boots on entering, is ended on leaving; what it writes to its disk is forgotten.

    Each of `wires` is a network card: the socket that it is at one end of, which the first machine at it makes.
    """

    def __init__(
        self, kernel: Path, image: Path, options: str, processors: int = 1, wires: Sequence[Path] = ()
    ) -> None:
        self._kernel, self._image, self._options = kernel, image, options
        self._processors, self._wires = processors, wires
        self._folder = tempfile.TemporaryDirectory(prefix="pratique-kernel-")
        self._console = Path(self._folder.name) / "console"
        self._line = Path(self._folder.name) / "line"
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._rest = b""
        self.release = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL)
        try:
            self._connect()
            self.release = str(self._read(_BOOT_SECONDS)["ready"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket:
            self._socket.close()
        if self._process:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def run(
        self,
        *argv: str,
        user: str = "root",
        seconds: float = 60,
        cwd: str = "",
        stdin: bytes = b"",
        **environment: str,
    ) -> Done:
        """Run one command in the guest, at home by default; `MachineError` when the guest itself falls silent."""
        if self._socket is None:
            raise MachineError("the machine is not running")
        request = {"argv": argv, "user": user, "cwd": cwd, "environment": environment, "seconds": seconds}
        request["stdin"] = base64.b64encode(stdin).decode()
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self._read(seconds + 30)
        output = base64.b64decode(str(answer["output"])).decode(errors="replace")
        return Done(int(answer["status"]), output)

    def console(self) -> str:
        """The last lines of what the kernel said."""
        text = self._console.read_text(errors="replace") if self._console.exists() else ""
        return "\n".join(text.splitlines()[-_CONSOLE_LINES:])

    def _command(self) -> list[str]:
        told = f"{_OPTIONS} {self._options}"
        return [
            *(
                _EMULATOR,
                "-accel",
                "tcg",
                "-cpu",
                "max",
                "-smp",
                str(self._processors),
                "-m",
                _MEMORY,
                "-nographic",
                "-no-reboot",
            ),
            *("-kernel", str(self._kernel / "vmlinuz"), "-append", told, *self._cards(), "-monitor", "none"),
            *("-drive", f"file={self._image},format=raw,if=none,id=root,snapshot=on"),
            *("-device", "nvme,drive=root,serial=root"),
            *("-serial", f"file:{self._console}", "-serial", f"unix:{self._line},server=on,wait=off"),
        ]

    def _cards(self) -> Iterator[str]:
        if not self._wires:
            yield from ("-nic", "none")
        for number, wire in enumerate(self._wires):
            first = not wire.exists()
            end = f"server={'on' if first else 'off'},addr.type=unix,addr.path={wire}"
            yield from ("-netdev", f"stream,id=wire{number},{end}")
            # Of two that have the same address neither hears the other.
            yield from (
                "-device",
                f"virtio-net-pci,netdev=wire{number},mac=52:54:00:00:{first:02x}:{number:02x}",
            )

    def _connect(self) -> None:
        deadline = time.monotonic() + _BOOT_SECONDS
        while True:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(str(self._line))
            except OSError:
                line.close()
                self._fail_after(deadline)
                time.sleep(0.05)
            else:
                self._socket = line
                return

    def _read(self, seconds: float) -> dict[str, object]:
        if self._socket is None:
            raise MachineError("the machine is not running")
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            self._fail_after(deadline)
            if select.select([self._socket], [], [], 0.5)[0]:
                self._rest += self._socket.recv(1 << 16)
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, object] = json.loads(line)
        return answer

    def _fail_after(self, deadline: float) -> None:
        if self._process is None or self._process.poll() is not None:
            raise MachineError(f"the machine is gone\n{self.console()}")
        if time.monotonic() > deadline:
            raise MachineError(f"the machine does not answer\n{self.console()}")
