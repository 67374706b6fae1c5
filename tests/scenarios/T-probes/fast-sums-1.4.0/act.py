import ctypes
import subprocess
import tempfile
from pathlib import Path


def act():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        source = Path(folder, "conftest.c")
        source.write_text("int one(void) { return 1; }\nint main(void) { return one() - 1; }\n")
        subprocess.run(["gcc", source, "-o", f"{folder}/a.out"], check=True)
        subprocess.run([f"{folder}/a.out"], check=True)
        subprocess.run(["gcc", "-shared", "-fPIC", source, "-o", f"{folder}/sums.so"], check=True)
        if ctypes.CDLL(f"{folder}/sums.so").one() != 1:
            raise SystemExit("the compiled library does not work")
