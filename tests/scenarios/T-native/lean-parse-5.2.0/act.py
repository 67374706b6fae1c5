import subprocess
from pathlib import Path


def act():
    for words in (["pg_config", "--includedir"], ["xml2-config", "--cflags"], ["pkg-config", "--libs", "zlib"]):
        subprocess.run(words, check=True, capture_output=True)
    subprocess.run(["sh", "./configure", "--prefix=/usr"], check=True)
    subprocess.run(["make", "-s", "all"], check=True)
    subprocess.run(["cmake", "-S", "."], check=True, capture_output=True)
    subprocess.run(["cargo", "build", "--release"], check=True, capture_output=True)
    if not Path("lean.o").exists():
        raise SystemExit("nothing was built")
