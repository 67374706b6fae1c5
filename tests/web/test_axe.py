"""axe-core over every page, in both themes and on a phone: nothing serious."""

import base64
import hashlib
import shutil
import subprocess
import tarfile

import pytest

from fleet import addresses
from fleet import browser as browsers
from fleet.browser import Desk
from lab.demands import demand

pytestmark = pytest.mark.browser
_PACKAGE = "axe-core@4.14.1"
_INTEGRITY = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
_RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter((v) => ['serious', 'critical'].includes(v.impact))
  .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' | ')}`)"""


@pytest.fixture(scope="session")
def axe(tmp_path_factory) -> str:
    """The program, as the registry of this machine's npm has it, if it is the very one that is expected."""
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), _PACKAGE]
    done = (
        subprocess.run(command, cwd=folder, timeout=100, check=False, capture_output=True)
        if shutil.which("npm")
        else None
    )
    demand(f"{_PACKAGE} cannot be had" if done is None or done.returncode != 0 else None)
    archive = next(folder.glob("*.tgz"))
    assert base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == _INTEGRITY
    with tarfile.open(archive) as held:
        return held.extractfile("package/axe.min.js").read().decode()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light")])
def test_axe_finds_nothing_serious(browser, site, axe, width, scheme):
    """On every page."""
    context = browsers.context(browser, site.address, width, 800, scheme)
    desk = Desk(context)
    page = desk.open("/login")
    page.evaluate(axe)
    found = {"login": page.evaluate(_RUN)}
    browsers.sign_in(page, "ada")
    run, host = list(site.fleet.runs.items())[-2]
    for name, address in addresses.pages(run, host).items():
        desk.open(address)
        page.evaluate(axe)
        found[name] = page.evaluate(_RUN)
    context.close()

    assert {name: each for name, each in found.items() if each} == {}
