"""`/etc/pratique/daemon/daemon.toml`: whom the daemon guards. Everybody, unless it says otherwise."""

import pwd
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pratique import host
from pratique.backends.base import Scope
from pratique.errors import ConfigError
from pratique.policy import sources

_LONGEST = 4096


class Settings(BaseModel):
    """The keys of the file; unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    only_users: tuple[str | int, ...] | None = None
    """Names or numbers of the users whose processes are guarded; absent: everybody's."""
    homes: tuple[str, ...] = ()
    """Directories that are homes beside those of the host's users."""

    def scope(self) -> Scope:
        """The users as numbers; `ConfigError` for a name that is none."""
        if self.only_users is None:
            return Scope()
        return Scope(tuple(map(_number, self.only_users)))

    def all_homes(self) -> list[str]:
        """Every home whose secrets count: of the scope's users, if there is one."""
        wanted = self.scope().users
        if wanted is None:
            return list(dict.fromkeys([*self.homes, *host.homes({})]))
        return list(dict.fromkeys([*self.homes, *filter(None, map(home_of, wanted))]))


def load(path: str) -> Settings:
    """What the file says; all defaults when there is none."""
    try:
        data, _ = sources.read_once(path)
    except FileNotFoundError:
        return Settings()
    try:
        return Settings.model_validate(tomllib.loads(data.decode()).get("daemon", {}))
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}:1: {str(error)[:_LONGEST]}", "see docs/daemon.md") from error


def home_of(user: int) -> str | None:
    """The user's home directory; None when the host knows none."""
    try:
        home = pwd.getpwuid(user).pw_dir
    except KeyError:
        return None
    return home if Path(home).is_dir() and home != "/" else None


def _number(user: str | int) -> int:
    if isinstance(user, int) or user.isdecimal():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(f"only_users: {user!r} is no user of this host") from None
