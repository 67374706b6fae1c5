"""An identity is verified only on what pip itself wrote; what a package says never raises it."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from packageurl import PackageURL

from pratique.managers.base import Context, Stopped
from pratique.managers.pip.manager import Pip
from pratique.managers.pip.names import archive_version, purl
from pratique.model import Settlement
from pratique.words import Actor, Quality, Stage

PYTHON = "/opt/python/bin/python3.11"
HOOK = "/v/lib/python3.11/site-packages/pip/_vendor/pyproject_hooks/_in_process/_in_process.py"
FILES = "https://files.test/ab/cd"


@dataclass
class Temp:
    """A temporary directory as pip leaves it while it prepares sources."""

    path: Path
    words: tuple[str, ...] = ("install", "evil", "boto3")
    memory: dict[str, object] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    manager_environment: dict[str, str] = field(default_factory=dict)
    isolated: bool = True
    variable: str = "PIP_BUILD_TRACKER"
    kind: str = "build-tracker"

    def __post_init__(self) -> None:
        for name in (f"pip-{self.kind}-trackers", "pip-install-unpacked", "pip-unpack-download"):
            (self.path / name).mkdir(mode=0o700)

    @property
    def tracker(self) -> Path:
        """The tracker's directory."""
        return self.path / f"pip-{self.kind}-trackers"

    def unpack(self, name: str, info: str | None = None, number: str = "0") -> Path:
        """Pip unpacks an archive."""
        root = self.path / "pip-install-unpacked" / f"{name}_{number * 32}"
        root.mkdir()
        if info:
            (root / "PKG-INFO").write_text(f"Metadata-Version: 2.1\n{info}\n\nName: other\n")
        return root

    def track(self, text: str, url: str) -> Path:
        """Pip notes what it prepares."""
        entry = self.tracker / hashlib.sha224(url.partition("#")[0].encode()).hexdigest()
        entry.write_text(text)
        return entry

    def prepare(self, name: str, url: str | None = None, **unpack: str) -> Path:
        """Both, as for a package from an index."""
        url = url or f"{FILES}/{name}-1.2.tar.gz#sha256={'a' * 64}"
        self.track(f"{name} from {url}", url)
        return self.unpack(name, **unpack)

    def hook(self, cwd: Path, build: str = "", hook: str = "build_wheel", **environment: str) -> Settlement:
        """Pip starts a build hook."""
        given = {self.variable: str(self.tracker), "_PYPROJECT_HOOKS_BUILD_BACKEND": "x"}
        if self.isolated:
            given["PYTHONPATH"] = f"{self.path}/pip-build-env-{build or cwd.name[:4].ljust(8, '_')}/site"
        child = Stopped(
            9, ("python", HOOK, hook, "/tmp/tmpx"), os.path.realpath(cwd), PYTHON, given | environment
        )
        return Pip().classify(child, self.context())

    def context(self) -> Context:
        """The manager as the agent knows it."""
        argv = ("python", "-m", "pip", *self.words)
        manager = Stopped(
            8, argv, str(self.path), PYTHON, {"PIP_CONFIG_FILE": "/dev/null"} | self.manager_environment
        )
        return Context(manager, manager, lambda path: path in self.written, self.memory)

    def mark(self, *paths: Path) -> None:
        """Package code wrote these."""
        self.written |= {str(path) for path in paths}


@pytest.fixture
def temp(tmp_path: Path) -> Temp:
    """Pip's temporary directory."""
    return Temp(Path(os.path.realpath(tmp_path)))


def _quality(settled: Settlement) -> Quality:
    assert settled.actor is Actor.PACKAGE
    assert settled.stage is Stage.BUILD
    assert settled.new_origin
    return settled.identity.quality


def test_all_of_pip_s_own_evidence_verifies(temp: Temp) -> None:
    """Directory, tracker, archive name and index agree: name, version, source and digest are known."""
    settled = temp.hook(temp.prepare("boto3", info="Name: boto3\nVersion: 1.2"))

    assert _quality(settled) is Quality.VERIFIED
    assert settled.identity.purl == "pkg:pypi/boto3@1.2"
    assert settled.identity.source == f"{FILES}/boto3-1.2.tar.gz"
    assert settled.identity.digest == f"sha256-{'a' * 64}"
    assert settled.identity.direct is True


def test_the_older_tracker_is_known(tmp_path: Path) -> None:
    """Pip before 22 names its tracker otherwise."""
    temp = Temp(Path(os.path.realpath(tmp_path)), variable="PIP_REQ_TRACKER", kind="req-tracker")

    assert _quality(temp.hook(temp.prepare("boto3"))) is Quality.VERIFIED


def test_it_is_remembered_when_the_tracker_is_empty(temp: Temp) -> None:
    """At build_wheel pip has removed the entry; the same directory is still the same package."""
    root = temp.prepare("boto3")
    temp.hook(root, hook="get_requires_for_build_wheel")
    for entry in temp.tracker.iterdir():
        entry.unlink()

    assert _quality(temp.hook(root)) is Quality.VERIFIED


@pytest.mark.parametrize(
    ("info", "says"),
    [
        ("Name: other\nVersion: 1.2", "name"),
        ("Name: boto3\nVersion: 9", "version"),
        ("Name: boto3\nVersion: 1.2.0", ""),
    ],
)
def test_pkg_info_that_disagrees_lowers_it(temp: Temp, info: str, says: str) -> None:
    """A package that gives another name or version is claimed at best, and the report says why."""
    settled = temp.hook(temp.prepare("boto3", info=info))

    assert _quality(settled) is (Quality.CLAIMED if says else Quality.VERIFIED)
    assert says in settled.reason


def test_pkg_info_alone_is_a_claim(temp: Temp) -> None:
    """Without an entry of pip's the package's own word names it, as a claim."""
    settled = temp.hook(temp.unpack("boto3", info="Name: boto3\nVersion: 7"))

    assert _quality(settled) is Quality.CLAIMED
    assert settled.identity.purl == "pkg:pypi/boto3@7"


def test_a_forged_entry_proves_nothing(temp: Temp) -> None:
    """An entry that package code wrote is not read, whatever it says."""
    root = temp.prepare("boto3")
    temp.mark(*temp.tracker.iterdir())

    assert _quality(temp.hook(root)) is Quality.CLAIMED


def test_a_tracker_package_code_made_proves_nothing(temp: Temp) -> None:
    """Nor a whole directory of them."""
    root = temp.prepare("boto3")
    temp.mark(temp.tracker)

    assert _quality(temp.hook(root)) is Quality.CLAIMED


def test_an_entry_under_another_name_proves_nothing(temp: Temp) -> None:
    """The file's name is the hash of the URL: a renamed or rewritten entry gives itself away."""
    root = temp.prepare("boto3")
    entry = next(temp.tracker.iterdir())
    entry.rename(temp.tracker / ("0" * 56))

    assert _quality(temp.hook(root)) is Quality.CLAIMED


@pytest.mark.parametrize("kind", ["elsewhere", "odd name", "link", "open"])
def test_a_tracker_elsewhere_is_not_pip_s(temp: Temp, kind: str) -> None:
    """A forged PIP_BUILD_TRACKER: other place, other name, through a link, or open to others."""
    root = temp.prepare("boto3")
    other = {"elsewhere": temp.path / "x" / temp.tracker.name, "odd name": temp.path / "tracker"}.get(kind)
    if other:
        other.parent.mkdir(exist_ok=True)
        temp.tracker.rename(other)
    elif kind == "link":
        other = temp.path / "pip-build-tracker-linklink"
        other.symlink_to(temp.tracker)
    else:
        temp.tracker.chmod(0o777)

    settled = temp.hook(root, PIP_BUILD_TRACKER=str(other or temp.tracker))

    assert _quality(settled) is Quality.CLAIMED


def test_a_tracker_from_before_pip_started_is_not_pip_s(temp: Temp) -> None:
    """The manager itself was given the variable: whoever did so could have written the entries."""
    temp.manager_environment["PIP_BUILD_TRACKER"] = str(temp.tracker)

    assert _quality(temp.hook(temp.prepare("boto3"))) is Quality.CLAIMED


def test_the_requirement_text_cannot_bring_its_own_url(temp: Temp) -> None:
    """A marker may hold ` from https://…/boto3-1.tar.gz`: only the URL pip joined has the right hash."""
    fake, real = f"{FILES}/boto3-1.tar.gz", f"{FILES}/boto3-6.6.tar.gz"
    temp.track(f'boto3; extra == "x from {fake} " from {real} (from evil)', real)

    settled = temp.hook(temp.unpack("boto3"))

    assert settled.identity.source == real


@pytest.mark.parametrize(
    "text", ["boto3@ {url} from {url}", "boto3 @ {url} from {url}", "boto3[crt] @ {url} from {url}"]
)
def test_a_direct_url_is_a_claim(temp: Temp, text: str) -> None:
    """`boto3 @ https://…` is whatever lies there: the name is the requirer's word."""
    url = f"{FILES}/boto3-1.2.tar.gz"
    temp.track(text.format(url=url), url)

    settled = temp.hook(temp.unpack("boto3"))

    assert _quality(settled) is Quality.CLAIMED
    assert settled.identity.purl == f"pkg:pypi/boto3@1.2?download_url={FILES}/boto3-1.2.tar.gz"


def test_a_constraint_that_gives_the_url_is_a_claim(temp: Temp) -> None:
    """Pip resolves `boto3` to the URL of a constraints file and records it without the `@`."""
    (temp.path / "c.txt").write_text(f"boto3 @ {FILES}/boto3-1.2.tar.gz\n")
    temp.words = ("install", "-c", "c.txt", "boto3")

    assert _quality(temp.hook(temp.prepare("boto3"))) is Quality.CLAIMED


@pytest.mark.parametrize(
    ("words", "url", "quality"),
    [
        ((), "https://other-host.test/boto3-1.2.tar.gz", Quality.VERIFIED),
        ((), "http://other-host.test/boto3-1.2.tar.gz", Quality.CLAIMED),
        (("-i", "http://10.9.9.9/simple"), "http://10.9.9.9/f/boto3-1.2.tar.gz", Quality.VERIFIED),
        (("--no-index", "-f", "https://l.test/x"), "https://l.test/x/boto3-1.2.tar.gz", Quality.CLAIMED),
        (("-f", "https://l.test/x"), "https://l.test/x/boto3-1.2.tar.gz", Quality.CLAIMED),
        (("-i", "file:///srv/simple"), "file:///srv/boto3-1.2.tar.gz", Quality.CLAIMED),
        (("-i", "file:///srv/x/simple"), "file:///srv/x/packages/boto3-1.2.tar.gz", Quality.VERIFIED),
        (("-i", "file:///srv/simple"), "file:///srv/simple/boto3/boto3-1.2.tar.gz", Quality.VERIFIED),
        (("-f", "/srv/wheels"), "file:///srv/wheels/boto3-1.2.tar.gz", Quality.CLAIMED),
        ((), "https://f.test/boto3-1.2.exe", Quality.CLAIMED),
        ((), "https://f.test/other-1.2.tar.gz", Quality.CLAIMED),
        ((), "ftp://f.test/boto3-1.2.tar.gz", Quality.CLAIMED),
    ],
)
def test_which_sources_verify(temp: Temp, words: tuple[str, ...], url: str, quality: Quality) -> None:
    """What a configured index served; archives of find-links places and strange transports are claims."""
    temp.words = ("install", *words, "boto3")

    assert _quality(temp.hook(temp.prepare("boto3", url))) is quality


def test_a_password_pip_hid_does_not_unmake_the_proof(temp: Temp) -> None:
    """Pip writes `****` for a password: with the configured one the hash agrees; it is never shown."""
    real = "https://me:secret@index.test/f/boto3-1.2.tar.gz"
    temp.words = ("install", "-i", "https://me:secret@index.test/simple", "boto3")
    temp.track(f"boto3 from {real.replace('secret', '****')}", real)

    settled = temp.hook(temp.unpack("boto3"))

    assert _quality(settled) is Quality.VERIFIED
    assert "secret" not in str(settled)
    assert settled.identity.source == "https://index.test/f/boto3-1.2.tar.gz"


def test_two_entries_of_one_name_are_candidates(temp: Temp) -> None:
    """When several could have acted none is chosen."""
    root = temp.prepare("boto3")
    temp.track(f"boto3 from {FILES}/boto3-2.tar.gz", f"{FILES}/boto3-2.tar.gz")

    settled = temp.hook(root)

    assert settled.identity.purl is None
    assert set(settled.identity.candidates) == {"pkg:pypi/boto3@1.2", "pkg:pypi/boto3@2"}


def test_two_sources_with_the_same_top_folder_stay_apart(temp: Temp) -> None:
    """Pip chooses the directory's name, not the archive: each keeps its own identity."""
    first, second = temp.prepare("evil", number="1"), temp.prepare("boto3", number="2")

    assert temp.hook(first).identity.purl == "pkg:pypi/evil@1.2"
    assert temp.hook(second).identity.purl == "pkg:pypi/boto3@1.2"


def test_a_package_that_renames_its_directory(temp: Temp) -> None:
    """Evil moves its directory away and puts a link to boto3's in its place: it does not become boto3."""
    evil, boto3 = temp.prepare("evil"), temp.prepare("boto3")
    temp.hook(boto3)
    temp.hook(evil)
    evil.rename(evil.with_name("hidden"))
    evil.symlink_to(boto3)

    settled = temp.hook(evil, build="evil____")

    assert _quality(settled) is Quality.UNKNOWN
    assert settled.identity.purl is None


def test_a_build_environment_ties_code_to_its_directory(temp: Temp) -> None:
    """Whatever its cwd has become, code in evil's build environment is not boto3."""
    evil, boto3 = temp.prepare("evil"), temp.prepare("boto3")
    temp.hook(evil)
    temp.hook(boto3)

    settled = temp.hook(boto3, build="evil____")

    assert _quality(settled) is Quality.UNKNOWN
    assert set(settled.identity.candidates) == {"pkg:pypi/evil@1.2", "pkg:pypi/boto3@1.2"}


def test_a_build_environment_does_not_move_to_a_new_directory(temp: Temp) -> None:
    """Before boto3 is first built, evil's next hook turns up in its directory: it is not taken for boto3."""
    evil, boto3 = temp.prepare("evil"), temp.prepare("boto3")
    temp.hook(evil)

    assert _quality(temp.hook(boto3, build="evil____")) is Quality.UNKNOWN


def test_a_new_build_environment_does_not_take_over_a_directory(temp: Temp) -> None:
    """Another source's first hook, led into boto3's directory by a link that is gone again."""
    boto3 = temp.prepare("boto3")
    temp.hook(boto3)

    assert _quality(temp.hook(boto3, build="freshone")) is Quality.UNKNOWN


def test_a_directory_made_again_is_another(temp: Temp) -> None:
    """The remembered identity belongs to the directory pip unpacked, not to its path."""
    boto3 = temp.prepare("boto3")
    temp.hook(boto3)
    boto3.rename(boto3.with_name("hidden"))
    boto3.mkdir()

    assert _quality(temp.hook(boto3)) is Quality.UNKNOWN


def test_without_isolation_a_link_still_shows(temp: Temp) -> None:
    """--no-build-isolation leaves no build environment: the replaced directory itself gives it away."""
    temp.isolated = False
    evil, boto3 = temp.prepare("evil"), temp.prepare("boto3")
    temp.hook(evil)
    temp.hook(boto3)
    evil.rename(evil.with_name("hidden"))
    evil.symlink_to(boto3)

    assert _quality(temp.hook(evil)) is Quality.UNKNOWN


def test_a_directory_the_package_made_up(temp: Temp) -> None:
    """A directory of the right shape without an entry of pip's is a claim, however it is called."""
    temp.hook(temp.prepare("evil"))
    made = temp.unpack("boto3", info="Name: boto3\nVersion: 1")

    assert _quality(temp.hook(made, build="evilevil")) is Quality.CLAIMED


def test_code_that_another_package_put_in(temp: Temp) -> None:
    """A source another package wrote into before it was first built is no longer just itself."""
    evil, boto3 = temp.prepare("evil"), temp.prepare("boto3")
    temp.hook(evil)
    (boto3 / "src").mkdir()
    (boto3 / "src" / "setup.py").touch()
    temp.mark(boto3 / "src" / "setup.py")

    assert _quality(temp.hook(boto3)) is Quality.CLAIMED


@pytest.mark.parametrize("name", ["a\nb", "..", "\udcff\udcfe", "-rf", "x" * 200, "a b", "%2e%2e"])
def test_odd_names_are_survived(temp: Temp, name: str) -> None:
    """Directory and entry may hold anything; nothing is verified from it and nothing breaks."""
    url = f"{FILES}/x-1.tar.gz"
    entry = temp.track("", url)
    entry.write_bytes(f"{name} from {url}".encode("utf-8", "surrogateescape"))

    assert _quality(temp.hook(temp.unpack(name))) is not Quality.VERIFIED


def test_entries_that_are_no_files_are_passed_over(temp: Temp) -> None:
    """A pipe would hang the agent, a link would lead it elsewhere."""
    root = temp.prepare("boto3")
    os.mkfifo(temp.tracker / "pipe")
    (temp.tracker / "link").symlink_to("/etc/passwd")
    (temp.tracker / "directory").mkdir()

    assert _quality(temp.hook(root)) is Quality.VERIFIED


def test_an_archive_named_by_path_is_a_claim_with_its_digest(temp: Temp) -> None:
    """`pip install ./x-1.tar.gz`: the name in the file's name, the digest of the file."""
    archive, root = temp.path / "x-1.tar.gz", temp.path / "pip-req-build-abcdefgh"
    archive.write_bytes(b"archive")
    root.mkdir(mode=0o700)
    temp.track(archive.as_uri(), archive.as_uri())

    settled = temp.hook(root)

    assert _quality(settled) is Quality.CLAIMED
    assert settled.identity.purl is not None
    assert settled.identity.purl.startswith("pkg:pypi/x@1?download_url=")
    assert settled.identity.digest == "sha256-" + hashlib.sha256(b"archive").hexdigest()


def test_the_digest_of_a_download_is_taken_from_pip_s_own_copy(temp: Temp) -> None:
    """An index without hashes: the file in pip's download directory is what was unpacked."""
    (temp.path / "pip-unpack-download" / "boto3-1.2.tar.gz").write_bytes(b"archive")

    settled = temp.hook(temp.prepare("boto3", f"{FILES}/boto3-1.2.tar.gz"))

    assert settled.identity.digest == "sha256-" + hashlib.sha256(b"archive").hexdigest()


def test_a_pulled_in_package_is_not_direct(temp: Temp) -> None:
    """The user asked for evil; dep came with it."""
    assert temp.hook(temp.prepare("dep")).identity.direct is False


def test_version_control_is_a_claim(temp: Temp) -> None:
    """The name is what the user or a package wrote after #egg=."""
    url = "git+https://me:secret@code.test/x/repo.git@main#egg=boto3"
    temp.track(f"boto3 from {url}", url)

    settled = temp.hook(temp.unpack("boto3"))

    assert _quality(settled) is Quality.CLAIMED
    assert settled.identity.purl == "pkg:pypi/boto3?vcs_url=git%2Bhttps://code.test/x/repo.git%40main"


def _project(
    temp: Temp, cwd: Path, words: Iterable[str] = ("install", "./mine"), **environment: str
) -> Settlement:
    temp.words = tuple(words)
    return temp.hook(cwd, **environment)


def test_a_directory_the_user_named_is_a_project(temp: Temp) -> None:
    """Local and editable builds are first-party code."""
    (temp.path / "mine").mkdir()

    for words in (("install", "./mine"), ("install", "-e", "mine"), ("wheel", str(temp.path / "mine"))):
        temp.memory = {}
        settled = _project(temp, temp.path / "mine", words)
        assert settled.actor is Actor.PROJECT
        assert settled.new_origin
        assert settled.identity.quality is Quality.UNKNOWN


def test_a_directory_nobody_named_is_package(temp: Temp) -> None:
    """Building elsewhere on the disk is not first-party, whatever lies there."""
    (temp.path / "mine").mkdir()
    (temp.path / "other").mkdir()

    assert _project(temp, temp.path / "other").actor is Actor.PACKAGE


def test_a_build_requirement_never_makes_a_project(temp: Temp) -> None:
    """`requires = ["x @ file:///home/you/mine"]` is the package's wish: what it names is package code."""
    (temp.path / "mine").mkdir()
    temp.words = ("install", "./mine")
    pip = temp.path / "pip"
    pip.mkdir()
    for name in ("__init__.py", "__main__.py", "__pip-runner__.py"):
        (pip / name).touch()
    words = (
        "install",
        "--prefix",
        f"{temp.path}/pip-build-env-abcdefgh/overlay",
        "--",
        f"x @ file://{temp.path}/mine",
    )
    nested = Stopped(10, ("python", f"{pip}/__pip-runner__.py", *words), "/", PYTHON, {})
    context = temp.context()
    hook = Stopped(11, ("python", HOOK, "build_wheel", "/tmp/x"), f"{temp.path}/mine", PYTHON, {})

    assert Pip().classify(nested, context).actor is Actor.MANAGER
    assert Pip().classify(hook, context._replace(parent=nested)).actor is Actor.PACKAGE
    assert Pip().classify(hook, context).actor is Actor.PROJECT


@pytest.mark.parametrize("inside", ["", "/pip"])
def test_a_pip_that_runs_out_of_an_archive_runs_itself_again(temp: Temp, inside: str) -> None:
    """`python pip.pyz`: the same archive is pip, another one is package code."""
    for name in ("pip.pyz", "other.pyz"):
        (temp.path / name).touch()
    words = ("install", "--prefix", f"{temp.path}/pip-build-env-abcdefgh/overlay", "--", "x")
    context = temp.context()
    context = context._replace(manager=context.manager._replace(argv=("python", "pip.pyz", "install", "x")))

    def judge(name: str) -> Actor:
        argv = ("python", f"{temp.path}/{name}{inside}", *words)
        return Pip().classify(Stopped(10, argv, "/", PYTHON, {}), context).actor

    assert judge("pip.pyz") is Actor.MANAGER
    assert judge("other.pyz") is Actor.PACKAGE
    temp.mark(temp.path / "pip.pyz")
    assert judge("pip.pyz") is Actor.PACKAGE


@pytest.mark.parametrize("change", ["exe", "written", "prefix", "verb", "not pip", "relative"])
def test_a_nested_resolver_is_a_closed_shape(temp: Temp, change: str) -> None:
    """Another interpreter, another script, another target or verb: package code."""
    pip = temp.path / ("pip" if change != "not pip" else "pop")
    pip.mkdir()
    for name in ("__init__.py", "__main__.py", "__pip-runner__.py"):
        (pip / name).touch()
    prefix = "/home/you" if change == "prefix" else f"{temp.path}/pip-build-env-abcdefgh/overlay"
    script = "__pip-runner__.py" if change == "relative" else f"{pip}/__pip-runner__.py"
    argv = ("python", script, "uninstall" if change == "verb" else "install", "--prefix", prefix, "--", "x")
    if change == "written":
        temp.mark(pip / "__pip-runner__.py")
    exe = "/opt/python/bin/python3.12" if change == "exe" else PYTHON

    assert Pip().classify(Stopped(10, argv, "/", exe, {}), temp.context()).actor is Actor.PACKAGE


def test_a_directory_put_in_the_place_of_the_user_s_is_package(temp: Temp) -> None:
    """Evil replaces ./mine by its own code after pip began: another inode, not first-party."""
    mine = temp.path / "mine"
    mine.mkdir()
    temp.words = ("install", "evil", "./mine")
    temp.hook(temp.prepare("evil"))
    mine.rename(temp.path / "old")
    mine.mkdir()

    assert temp.hook(mine).actor is Actor.PACKAGE


def test_a_project_that_package_code_wrote_into_is_package(temp: Temp) -> None:
    """Its setup.py is not the user's any more."""
    mine = temp.path / "mine"
    mine.mkdir()
    (mine / "setup.py").touch()
    temp.mark(mine / "setup.py")

    settled = _project(temp, mine)

    assert settled.actor is Actor.PACKAGE
    assert "package code wrote" in settled.reason


def test_a_link_to_the_project_does_not_make_a_package_first_party(temp: Temp) -> None:
    """Evil's directory becomes a link to ./mine: code in evil's build environment stays package."""
    mine = temp.path / "mine"
    mine.mkdir()
    temp.words = ("install", "evil", "./mine")
    evil = temp.prepare("evil")
    temp.hook(evil)
    evil.rename(evil.with_name("hidden"))
    evil.symlink_to(mine)

    assert temp.hook(evil, build="evil____").actor is Actor.PACKAGE
    assert temp.hook(mine, build="minemine").actor is Actor.PACKAGE


@pytest.mark.parametrize(
    ("file", "project", "version"),
    [
        ("zope.interface-5.0.tar.gz", "zope-interface", "5.0"),
        ("zope_interface-5.0.zip", "zope-interface", "5.0"),
        ("a-b-1.0rc1.tar.bz2", "a-b", "1.0rc1"),
        ("a-1%212.0.tar.gz", "a", "1!2.0"),
        ("a-1.0+local.1.tgz", "a", "1.0+local.1"),
        ("a-b-1.0.tar.gz", "a", None),
        ("a-1.0-py3-none-any.whl", "a", None),
        ("a-1.0-1.tar.gz", "a", None),
        ("a-latest.tar.gz", "a", None),
        ("a.tar.gz", "a", None),
        ("", "a", None),
    ],
)
def test_archive_names(file: str, project: str, version: str | None) -> None:
    """Only a name that can be read one way gives a version."""
    assert archive_version(f"https://f.test/x/{file}", project) == version


@pytest.mark.parametrize("version", ["1.0", "1!2.0", "1.0+local.1", None])
def test_purls_are_what_the_reference_library_makes(version: str | None) -> None:
    """No library is loaded before the command; the result is the same."""
    plain = PackageURL("pypi", None, "a-b", version, {"download_url": "https://f.test/a b/a?x=1"})

    ours = PackageURL.from_string(purl("a-b", version, download_url="https://me@f.test/a b/a?x=1"))

    assert (ours.type, ours.name, ours.version) == ("pypi", "a-b", version)
    assert ours.qualifiers == {"download_url": "https://f.test/a b/a"}
    assert purl("a-b", version) == replace_qualifiers(plain)


def replace_qualifiers(full: PackageURL) -> str:
    """The same package without qualifiers."""
    return PackageURL(full.type, full.namespace, full.name, full.version).to_string()
