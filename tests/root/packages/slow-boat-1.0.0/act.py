import subprocess
import sys
import time
from pathlib import Path

CHILD = "import time; time.sleep(60)"


def act():
    for detached in (False, True):
        subprocess.Popen([sys.executable, "-c", CHILD, "boat-@TOKEN@"], start_new_session=detached)
    Path("@MARKS@/started").touch()
    time.sleep(60)
