"""Kernels and root file systems, fetched or built once and kept under `.cache/kernels` by what they hold."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kernels.matrix import Kernel, Matrix

CHECKOUT = Path(__file__).parents[2]
CACHE = CHECKOUT / ".cache" / "kernels"
_HERE = Path(__file__).parent
_PACKAGE = "/opt/pratique"
"""Where the built wheel and what it needs are installed in the guest."""
_CARRIED = {
    _HERE / "guest": "opt/guest",
    _HERE.parent / "lab": "opt/tests/lab",
    _HERE.parent / "rootless": "opt/tests/rootless",
    _HERE.parent / "scenarios": "opt/tests/scenarios",
}
"""What of the tests the guest has, and where."""
_NOT_CARRIED = shutil.ignore_patterns("__pycache__")
_IMAGE_BYTES = 1200 << 20
_FETCH_SECONDS = 600
_KEPT_IMAGES = 3
_MODULES = (
    "overlay",
    "veth",
    "failover",
    "net_failover",
    "virtio_net",
    "loop",
    "btrfs",
    "xor",
    "raid6_pq",
    "libcrc32c",
    "zstd_compress",
    "blake2b_generic",
)


class ImageError(Exception):
    """An image cannot be made here; the message says what is missing."""


@contextmanager
def alone() -> Iterator[None]:
    """What is kept for all kernels is made and changed by one process at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kernel(wanted: Kernel) -> Path:
    """The newest kernel of that kind that the archive has: a folder with `vmlinuz` and its modules."""
    package = _newest(wanted.package)
    kept = CACHE / f"{package}-{_key(*_MODULES)[:8]}"
    if not (kept / "vmlinuz").exists():
        with _beside(kept) as made:
            run(["apt-get", "download", "-qq", package], made)
            archive = next(made.glob("*.deb"))
            run(["dpkg-deb", "-x", str(archive), "all"], made)
            archive.unlink()
            shutil.copy(next((made / "all/boot").glob("vmlinuz-*")), made / "vmlinuz")
            _keep_modules(made)
            shutil.rmtree(made / "all")
            made.rename(kept)
    return kept


def image(matrix: Matrix, kernels: Iterable[Path]) -> Path:
    """An ext4 image with a small Debian, the wheel built from this checkout, and the guest's side of the tests."""
    debian, built = base(matrix), wheel()
    made = kept(debian.name, [built, *_CARRIED, *kernels], ".img")
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            root = Path(work) / "root"
            root.mkdir()
            run(["tar", "-xf", str(debian), "-C", str(root)], CACHE)
            _install(built, root)
            for each in kernels:
                shutil.copytree(each / "modules", root / "lib/modules", dirs_exist_ok=True)
            for source, target in _CARRIED.items():
                shutil.copytree(source, root / target, ignore=_NOT_CARRIED)
            packed(root, made)
        _drop_old()
    return made


def kept(name: str, parts: Sequence[Path], ending: str) -> Path:
    """Where an image of these parts is, or will be."""
    CACHE.mkdir(parents=True, exist_ok=True)
    return CACHE / f"{_key(name, _digest(parts))}{ending}"


def packed(root: Path, target: Path) -> None:
    """An ext4 image of a folder, put in its place when it is whole."""
    made = root.with_name("made.img")
    with made.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(made)], CACHE)
    made.rename(target)


def _newest(package: str) -> str:
    said = run(["apt-cache", "depends", "--important", package], CHECKOUT)
    names = re.findall(r"Depends: (linux-image-\S+)", said)
    if not names:
        raise ImageError(f"the archive has no {package} (apt-get update?)")
    return str(names[0])


def _keep_modules(made: Path) -> None:
    """A few that the tests load; all of them would make every image slow."""
    source = next((made / "all").glob("**/lib/modules/*"))
    target = made / "modules" / source.name
    target.mkdir(parents=True)
    for name in _MODULES:
        for found in source.rglob(f"{name}.ko*"):
            shutil.copy(found, target)


def base(matrix: Matrix) -> Path:
    """A tar of the small Debian: made by mmdebstrap from the archive this machine uses, with npm if there is one."""
    kept = CACHE / f"{matrix.suite}-{_key(*matrix.packages)}.tar"
    if not kept.exists():
        if shutil.which("mmdebstrap") is None:
            raise ImageError("mmdebstrap is not installed (make setup-kernels)")
        CACHE.mkdir(parents=True, exist_ok=True)
        made = kept.with_name(f".{os.getpid()}.tar")
        without = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
        include = f"--include={','.join(matrix.packages)}"
        run(["mmdebstrap", "--mode=root", "--variant=apt", include, *without, matrix.suite, str(made)], CACHE)
        made.rename(kept)
    return kept


def wheel() -> Path:
    """The wheel of this checkout, built anew: it is what people install."""
    made = CACHE / "wheel"
    shutil.rmtree(made, ignore_errors=True)
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(made), str(CHECKOUT)], CHECKOUT)
    return next(made.glob("*.whl"))


def _install(wheel: Path, root: Path) -> None:
    target = root / _PACKAGE.lstrip("/")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary=:all:"]
    run([*pip, "--python-version", "3.11", "--target", str(target), str(wheel)], CHECKOUT)
    program = root / "usr/local/bin/pratique"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={_PACKAGE} exec python3 -m pratique "$@"\n')
    program.chmod(0o755)
    npm(root)


def npm(root: Path) -> None:
    """The npm of this machine, if it has one: Debian's brings half of its archive along."""
    here = Path("/usr/lib/node_modules/npm")
    if here.is_dir():
        shutil.copytree(here, root / "usr/lib/node_modules/npm", symlinks=True, dirs_exist_ok=True)
        (root / "usr/local/bin/npm").symlink_to("/usr/lib/node_modules/npm/bin/npm-cli.js")


def _drop_old() -> None:
    images = sorted(CACHE.glob("*.img"), key=lambda path: path.stat().st_mtime)
    for path in images[:-_KEPT_IMAGES]:
        path.unlink()


def _digest(paths: Sequence[Path]) -> str:
    """Of the content of files; a wheel counts by what is in it, for its name and times say nothing."""
    sum_ = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if _counts(each))
        for each in files:
            sum_.update(each.name.encode() + hashlib.sha256(each.read_bytes()).digest())
    return sum_.hexdigest()


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class _beside:  # noqa: N801 (used like a function)
    """A folder that is renamed into place when it is whole, or removed."""

    def __init__(self, kept: Path) -> None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        self._made = Path(tempfile.mkdtemp(dir=kept.parent))

    def __enter__(self) -> Path:
        return self._made

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._made, ignore_errors=True)


def run(command: Sequence[str], cwd: Path) -> str:
    """What a command says; `ImageError` with its complaint when it fails."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
    )
    if done.returncode:
        raise ImageError(f"{' '.join(command[:3])}: {done.stderr.strip()[-2000:]}")
    return done.stdout
