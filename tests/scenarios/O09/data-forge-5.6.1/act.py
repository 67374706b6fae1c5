import subprocess


def act():
    subprocess.run(["sh", "configure"], check=True)
    subprocess.run(["gcc", "-c", "forge.c", "-o", "forge.o"], check=True)
