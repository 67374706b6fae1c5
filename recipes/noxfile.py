"""Sessions of a project; guarded from outside: `pratique run -- nox`."""

import nox


@nox.session(venv_backend="venv")
def unit(session: nox.Session) -> None:
    """Install what is needed, and test."""
    session.install("-r", "requirements.txt")
    session.run("python", "-m", "unittest")
