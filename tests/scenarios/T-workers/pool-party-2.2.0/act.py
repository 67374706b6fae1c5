import multiprocessing
import subprocess
import sys
from multiprocessing import shared_memory


def act():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        total = sum(pool.map(abs, range(-50, 50)))
    memory = shared_memory.SharedMemory(create=True, size=4096)
    memory.close()
    memory.unlink()
    subprocess.run([sys.executable, "spawned.py"], check=True)
    if total != 2500:
        raise SystemExit("the workers cannot count")
