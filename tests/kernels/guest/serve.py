"""Runs in the guest: one JSON line in on the second serial line, one JSON line out, until there is none."""

import base64
import json
import os
import pwd
import signal
import subprocess
import termios
import tty


def main() -> None:
    """Serve commands; the guest stops when the line is closed."""
    line = os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    termios.tcflush(line, termios.TCIOFLUSH)
    with os.fdopen(os.dup(line), "rb") as incoming:
        _say(line, {"ready": os.uname().release})
        for request in incoming:
            _say(line, _answer(json.loads(request)))


def _answer(request: dict) -> dict:
    who = pwd.getpwnam(request["user"])
    command = subprocess.Popen(
        request["argv"],
        cwd=request["cwd"] or who.pw_dir,
        env={**os.environ, "HOME": who.pw_dir, **request["environment"]},
        user=who.pw_uid,
        group=who.pw_gid,
        extra_groups=[],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output = command.communicate(base64.b64decode(request["stdin"]), timeout=request["seconds"])[0]
    except subprocess.TimeoutExpired:
        os.killpg(command.pid, signal.SIGKILL)
        output = command.communicate()[0] + b"\n[the time limit was reached]"
    return {"status": command.returncode, "output": base64.b64encode(output[-(1 << 20) :]).decode()}


def _say(line: int, answer: dict) -> None:
    data = json.dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(line, data) :]


main()
