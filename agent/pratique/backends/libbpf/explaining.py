"""Why the kernel refused: what libbpf and the verifier say, heard only after a failure."""

import ctypes
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_size_t, c_void_p

from pratique.backends.libbpf import library
from pratique.errors import GuardError

_LOG_LINES = 12
_LOG_BYTES = 4096
_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)


def explain(attempt: Callable[[], object]) -> str:
    """Repeat a failing attempt with libbpf speaking; its last lines, for an error message."""
    lines: list[str] = []
    printer = _PRINT(_collect(lines))
    lib = library()
    lib.libbpf_set_print(printer)
    try:
        attempt()
    except (OSError, GuardError):
        pass
    finally:
        lib.libbpf_set_print(None)
    return "\n".join(lines[-_LOG_LINES:])


def _collect(lines: list[str]) -> Callable[[int, bytes, int], int]:
    libc = ctypes.CDLL(None)
    libc.vsnprintf.argtypes = (c_void_p, c_size_t, c_char_p, c_void_p)

    def keep(level: int, template: bytes, arguments: int) -> int:
        if level == 0:
            text = ctypes.create_string_buffer(_LOG_BYTES)
            libc.vsnprintf(text, _LOG_BYTES, template, arguments)
            lines.extend(text.value.decode(errors="replace").splitlines()[-_LOG_LINES:])
        return 0

    return keep
