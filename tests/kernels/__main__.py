"""`make test-kernels`: every kernel of the matrix in every way to boot it, a kernel for each processor at a time.

An emulated machine is one thread. What a kernel's tests print is shown when they are over; docs/parity.md comes last.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from kernels import images, matrix, parity

_HARD_LIMIT = 7200


def main() -> int:
    """1 if any kernel's tests failed; the page says what was seen all the same."""
    names = [kernel.name for kernel in matrix.read().kernels]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        passed = []
        for name, done in zip(names, pool.map(_tests, names), strict=True):
            print(f"== {name}\n{done.stdout}", flush=True)
            passed.append(done.returncode == 0)
    return max(parity.main(), int(not all(passed)))


def _tests(kernel: str) -> "subprocess.CompletedProcess[str]":
    pytest = [sys.executable, "-m", "pytest", "-m", "kernels", "-s", "-k", f"{kernel}-", "tests/kernels"]
    return subprocess.run(
        ["timeout", "--kill-after=10", str(_HARD_LIMIT), *pytest],
        cwd=images.CHECKOUT,
        env={**os.environ, "PRATIQUE_KERNELS": "all", "PRATIQUE_MUST_RUN": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
