"""pip's command line and files are read as pip reads them: what was asked for, and from where."""

from pathlib import Path

import pytest

from pratique.managers.pip.arguments import after_pip, gather, parse
from pratique.managers.pip.facts import facts
from pratique.managers.pip.manager import Pip
from pratique.managers.pip.project import directories

PIP = ("python", "-m", "pip")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("install rich", {"rich"}),
        ("install Rich[x]>=13 zope.interface==5", {"rich", "zope-interface"}),
        ("install -U --target /t rich", {"rich"}),
        ("install -t /t -qr none.txt rich", {"rich"}),
        ("install --index-url u rich -- -odd", {"rich"}),
        ("install --targ /t rich", {"rich"}),
        ("install -C a=b rich~=1", {"rich"}),
        ("install a@https://files.test/a.zip", {"a"}),
        ("install git+https://code.test/x.git#egg=My_Pkg", {"my-pkg"}),
        ("install ./rich .", set()),
        ("install https://files.test/a.zip", set()),
        ("--proxy p:1 install rich", {"rich"}),
        ("download -d out rich", {"rich"}),
    ],
)
def test_requested_names(line: str, names: set[str], tmp_path: Path) -> None:
    """Only names the user gave count; values of options, paths and bare URLs are none."""
    assert set(Pip().requested((*PIP, *line.split()), str(tmp_path))) == names


def test_requirements_files_are_followed(tmp_path: Path) -> None:
    """Included files are relative to the including one; comments, continuations and hashes do not disturb."""
    (tmp_path / "deps").mkdir()
    (tmp_path / "r.txt").write_text("rich>=1 \\\n  --hash=sha256:00  # why\n-r deps/more.txt\n-e ./mine\n")
    (tmp_path / "deps" / "more.txt").write_text(
        "# only\nattrs ; python_version > '3'\n-r ../r.txt\n-c c.txt\n"
    )
    (tmp_path / "deps" / "c.txt").write_text("click<9\n")

    found = Pip().requested((*PIP, "install", "-r", "r.txt"), str(tmp_path))

    assert found == ("attrs", "rich")


@pytest.mark.parametrize("name", ["/dev/fd/0", "/proc/self/fd/0", "/proc/self/environ", "gone.txt"])
def test_what_is_another_process_s_is_not_read(name: str, tmp_path: Path) -> None:
    """`-r <(…)` names a descriptor of pip; reading the agent's own of that number would steal or hang."""
    assert Pip().requested((*PIP, "install", "-r", name, "rich"), str(tmp_path)) == ("rich",)


def test_directories_the_user_named(tmp_path: Path) -> None:
    """Paths, editables, file URLs and lines of files; not names, nor version control, nor archives."""
    for name in ("a", "b", "c", "d", "e", "f"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "f")
    (tmp_path / "r.txt").write_text(f"./c\n-e d\n{tmp_path.as_uri()}/x.tar.gz\n")
    line = f"install ./a[x] b -e link e@{tmp_path.as_uri()}/e git+{tmp_path.as_uri()}/b -r r.txt"
    arguments = parse(line.split())

    found = directories(gather(arguments, str(tmp_path), {}, lambda _: True), str(tmp_path))

    assert {Path(path).name for path in found} == {"a", "c", "d", "e", "f"}


def test_files_package_code_wrote_name_nothing(tmp_path: Path) -> None:
    """A requirements file changed by package code cannot turn a directory into first-party code."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "r.txt").write_text("./mine\n")
    arguments = parse(["install", "-r", "r.txt"])

    wanted = gather(arguments, str(tmp_path), {}, lambda path: not path.endswith("r.txt"))

    assert directories(wanted, str(tmp_path)) == {}


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ((*PIP, "install", "rich"), "pip install rich"),
        (("/v/bin/python", "/v/bin/pip3", "-q", "install", "a b"), "pip -q install 'a b'"),
        (
            (*PIP, "install", "-i", "https://me:secret@index.test/s", "x"),
            "pip install -i https://index.test/s x",
        ),
        (("python", "/v/pip/__pip-runner__.py", "install", "x"), "pip install x"),
    ],
)
def test_describe_is_in_the_user_s_words(argv: tuple[str, ...], text: str) -> None:
    """The interpreter is left out, and so is what must not be shown."""
    assert Pip().describe(argv) == text


def test_hosts_come_from_every_place_pip_reads(tmp_path: Path) -> None:
    """Command line, environment, configuration and requirements files; user info is no host."""
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nextra-index-url =\n  https://one.test/simple\n  https://u:p@two.test:8443/simple\n"
        "[install]\nfind-links = https://three.test/links\n[list]\nindex-url = https://never.test/\n"
    )
    (tmp_path / "r.txt").write_text("--extra-index-url https://four.test/simple\nrich\n")
    environment = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_DIRS": str(tmp_path / "none"),
        "PIP_INDEX_URL": "https://five.test/simple",
        "HTTPS_PROXY": "http://proxy.test:3128",
    }
    argv = (*PIP, "install", "-r", "r.txt", "-f", "https://six.test/l", "-f", "/local/wheels")

    found = {each.host: each.reason for each in Pip().hosts(argv, environment, str(tmp_path))}

    assert {f"{name}.test" for name in ("one", "two", "three", "four", "five", "six", "proxy")} <= set(found)
    assert "never.test" not in found
    assert (found["five.test"], found["six.test"], found["proxy.test"]) == (
        "an index",
        "a find-links place",
        "a proxy",
    )


def test_a_broken_configuration_is_passed_over(tmp_path: Path) -> None:
    """Pip itself will complain of it: the agent must not fall."""
    (tmp_path / "pip.conf").write_bytes(b"\xff[[\nno section\n")

    assert (
        Pip().hosts((*PIP, "install", "x"), {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}, "/") is not None
    )


def test_the_option_data_is_consistent() -> None:
    """General options that take a value take one after the verb too, and spellings lead to known options."""
    assert set(facts().pattern.values) <= facts().values
    assert set(facts().names.values()) <= set(facts().options)
    assert after_pip(("python", "script.py", "install")) == ()
