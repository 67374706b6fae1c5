"""``python -m pratique.backends.attempts HOME ID…`` waits until HOME/go is opened for writing, then makes each.

In a process of its own; its outcome is appended to HOME/out/outcomes.
"""

import json
import os
import signal
import sys
from pathlib import Path

from pratique.backends.attempts import ATTEMPTS, Decoys, Outcome

_PATIENCE = 5


def _make(name: str, decoys: Decoys) -> Outcome:
    # Close-on-exec: silence means no error, also when the attempt became another program.
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(_PATIENCE)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what a decoy program says is for nobody
        try:
            ATTEMPTS[name](decoys, decoys.evidence(name))
        except OSError as error:
            os.write(tell, str(error.errno or 0).encode())
        except BaseException:  # noqa: BLE001 a broken attempt must not pass for an unhindered one
            os.write(tell, b"0")
        finally:
            os._exit(0)
    os.close(tell)
    said = os.read(told, 16)
    os.close(told)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Outcome(pid, int(said) if said else None, -code if code < 0 else None)


def main(argv: list[str]) -> int:
    """Make the attempts named, once the other side opens HOME/go."""
    home, *names = argv
    decoys = Decoys.load(Path(home))
    (decoys.home / "go").read_bytes()
    with (decoys.home / "out/outcomes").open("a") as outcomes:
        for name in names:
            done = _make(name, decoys)
            outcomes.write(json.dumps([name, done.pid, done.error, done.signal]) + "\n")
            outcomes.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
