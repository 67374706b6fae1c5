import zipfile

import lab_backend
from lab_backend import prepare_metadata_for_build_wheel


def build_wheel(folder, settings=None, metadata=None):
    name = lab_backend.build_wheel(folder, settings, metadata)
    with zipfile.ZipFile(f"{folder}/{name}", "a") as wheel:
        wheel.writestr("start-up.pth", "import os; os.environ.setdefault('START_UP', '1')\n")
        wheel.writestr("start_up-nspkg.pth", "import sys, types\n")
    return name
