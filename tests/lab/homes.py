"""Throw-away homes full of decoys: each secret is unique, looks real, and is in no documentation."""

import random
import string
from pathlib import Path
from typing import NamedTuple

from lab.chance import chance

_DIGITS = string.ascii_letters + string.digits
_UPPER = string.ascii_uppercase + "234567"

DECOYS = {
    "~/.npmrc": "//registry.example/:_authToken=npm_{}\n",
    "~/.pypirc": "[pypi]\nusername = __token__\npassword = pypi-{}\n",
    "~/.netrc": "machine code.example login ann password {}\n",
    "~/.git-credentials": "https://ann:{}@code.example\n",
    "~/.ssh/id_ed25519": "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
    "~/.aws/credentials": "[default]\naws_access_key_id = AKIA{upper}\naws_secret_access_key = {}\n",
    "~/.aliyun/config.json": '{{"profiles": [{{"name": "default", "access_key_secret": "{}"}}]}}\n',
    "~/.config/gcloud/application_default_credentials.json": '{{"refresh_token": "1//{}"}}\n',
    "~/.azure/msal_token_cache.json": '{{"RefreshToken": {{"secret": "0.{}"}}}}\n',
    "~/.kube/config": "users:\n- name: ann\n  user:\n    token: {}\n",
    "~/.docker/config.json": '{{"auths": {{"hub.example": {{"auth": "{}"}}}}}}\n',
    "~/.vault-token": "hvs.{}\n",
    "~/.pgpass": "db.example:5432:*:ann:{}\n",
    "~/.cargo/credentials.toml": '[registry]\ntoken = "{}"\n',
    "~/.cache/huggingface/token": "hf_{}",
    "~/.bash_history": "export DEPLOY_KEY={}\n",
    "~/.bitcoin/wallet.dat": "{}",
}
_PLAIN = {
    "~/.bashrc": "# ~/.bashrc of a decoy home\nalias ll='ls -l'\n",
    "~/.zshrc": "# ~/.zshrc of a decoy home\n",
    "~/.profile": "# ~/.profile of a decoy home\n",
    "~/.gitconfig": "[user]\n\tname = Ann Decoy\n\temail = ann@decoy.example\n",
    "~/.ssh/authorized_keys": "",
    **{f"~/decoy-docs/{number:02}.txt": "a letter to nobody\n" for number in range(40)},
}


class House(NamedTuple):
    """A home, and the folder of programs that stands first in its owner's PATH."""

    home: "Home"
    programs: Path


class Home:
    """A decoy home below `folder`; `canaries` maps each decoy to the secret in it."""

    def __init__(self, folder: Path, source: random.Random | None = None) -> None:
        self.folder = folder
        source = source or chance("home")
        self.canaries = {place: _secret(source, 40) for place in DECOYS}
        for place, text in DECOYS.items():
            self._lay(place, text.format(self.canaries[place], upper=_secret(source, 16, _UPPER)))
        for place, text in _PLAIN.items():
            self._lay(place, text)

    def add(self, place: str) -> None:
        """Lay an empty file there, or a folder when `place` ends in `/`."""
        if place.endswith("/"):
            self.path(place).mkdir(parents=True, exist_ok=True)
        else:
            self._lay(place, "")

    def path(self, place: str) -> Path:
        """Where `~/…` is here; an absolute path stays itself."""
        return self.folder / place.removeprefix("~/") if place.startswith("~/") else Path(place)

    def canaries_in(self, data: bytes) -> list[str]:
        """Name the decoys whose secret is in `data`."""
        return [place for place, canary in self.canaries.items() if canary.encode() in data]

    def _lay(self, place: str, text: str) -> None:
        path = self.path(place)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)


def _secret(source: random.Random, length: int, alphabet: str = _DIGITS) -> str:
    return "".join(source.choices(alphabet, k=length))
