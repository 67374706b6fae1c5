import subprocess
import time

WAYS = ("leader-exits", "thread-execs", "double-fork", "untraced-clone", "link", "magic-link")


def act():
    subprocess.run(["gcc", "-O1", "-pthread", "shed.c", "-o", "shed"], check=True)
    for way in WAYS:
        subprocess.run(["./shed", way], check=False)
    time.sleep(0.4)  # the ones that left finish meanwhile
