import contextlib
import os
import subprocess

CANARY = "canary@TOKEN@"


def act():
    os.environ["DEPLOY_TOKEN"] = CANARY
    for words in (
        ["--password", CANARY],
        [f"--token={CANARY}"],
        [f"http://user:{CANARY}@@SINK@:8080/x?key={CANARY}"],
        [f"Authorization: Bearer {CANARY}"],
        [f"NPM_TOKEN={CANARY}"],
    ):
        # A listed program, so that the command line becomes evidence of a finding.
        with contextlib.suppress(OSError):
            subprocess.run(["setpriv", *words], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["sh", "-c", ": < ~/.npmrc", *words], check=False, stderr=subprocess.DEVNULL)
