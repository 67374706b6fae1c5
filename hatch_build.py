"""Build hook: compiles the probes with their own Makefile; puts probes, rules and schema into the wheel."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProbeHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        built = self._probes(root)
        if version == "editable":
            return  # pratique.resources finds them in the checkout
        build_data["tag"] = "py3-none-any"  # BPF objects run on any CPU, rules on any Python
        for name in ("rules", "schema"):
            build_data["force_include"][str(root / name)] = f"pratique/{name}"
        if built:
            build_data["force_include"][str(root / "probes" / "build")] = "pratique/probes"

    def _probes(self, root: Path) -> bool:
        """Compile; without clang the wheel holds no probes, and the build says so."""
        if os.environ.get("PRATIQUE_SKIP_PROBES") == "1" or shutil.which("clang") is None:
            self.app.display_warning("no clang, or PRATIQUE_SKIP_PROBES=1: building without eBPF probes")
            return False
        subprocess.run(["make", "-s", "-C", str(root / "probes")], check=True)
        return True
