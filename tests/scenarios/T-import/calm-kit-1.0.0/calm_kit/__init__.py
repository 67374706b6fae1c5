import multiprocessing
import subprocess
import threading
from pathlib import Path

GIT = Path.home().joinpath(".gitconfig").read_text()
HOSTS = Path("/etc/hosts").read_text()
MAPS = Path("/proc/self/maps").read_text()


def work():
    cache = Path.home() / ".cache" / "calm-kit"
    cache.mkdir(parents=True, exist_ok=True)
    cache.joinpath("seen").write_text("1")
    thread = threading.Thread(target=subprocess.run, args=(["sh", "-c", "uname -a > /dev/null"],))
    thread.start()
    thread.join()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return sum(pool.map(abs, [-1, 2, -3]))
