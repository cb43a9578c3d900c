# SPDX-License-Identifier: Apache-2.0
"""A folder of keys: who this process is, and which other keys may do what.

    FOLDER/identity.toml        public, secret: this process; mode 0600
    FOLDER/allowed/NAME.toml    public, rights: a peer under the name that statistics show

Revoking deletes a peer's file. A running daemon looks at the folder twice a second, and takes
whatever it cannot read for a refusal.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from services.endpoint import CurveClient, CurveServer
from services.errors import AuthenticationError

IDENTITY = "identity.toml"
ALLOWED = "allowed"
_FOREIGN_BITS = 0o027  # others may do nothing, the group may read (Kubernetes mounts secrets so)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")  # Z85, ZeroMQ RFC 32


class Right(StrEnum):
    """What a peer may do with this process."""

    VIEW = "view"  # take frames from it
    PUBLISH = "publish"  # give frames to it


@dataclass(frozen=True, slots=True)
class Identity:
    """This process's own pair, 40 bytes of Z85 each."""

    public_key: bytes
    secret_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Peer:
    """An allowed key."""

    name: str
    public_key: bytes
    rights: frozenset[Right]


def create(folder: Path, make_pair: Callable[[], tuple[bytes, bytes]]) -> Identity:
    """Make a pair and write it. Raises AuthenticationError when there is one already."""
    path = folder / IDENTITY
    if path.exists():
        raise AuthenticationError(f"{path} exists already; show it with `streamcodec keys show`")
    public, secret = make_pair()
    _make_private(folder)
    _make_private(folder / ALLOWED)
    _write(
        path,
        "# The secret of this machine: never copy it, never show it.\n"
        f'public = "{public.decode()}"\nsecret = "{secret.decode()}"\n',
    )
    return Identity(public, secret)


def read_identity(folder: Path) -> Identity:
    """This process's pair. Raises AuthenticationError when absent, open to others or damaged."""
    path = folder / IDENTITY
    values = _read(path)
    if path.stat().st_mode & _FOREIGN_BITS:
        raise AuthenticationError(f"{path} can be read by others; run chmod 600 on it")
    return Identity(_key(path, values, "public"), _key(path, values, "secret"))


def allow(folder: Path, name: str, public_key: str, rights: frozenset[Right]) -> Peer:
    """Let a key in under a name, in place of what that name meant before."""
    peer = Peer(_name(name), _checked_key(public_key, "the key"), rights)
    if not rights:
        raise AuthenticationError(f"{name} has no right; give view or publish")
    for other in read_peers(folder).values():
        if other.public_key == peer.public_key and other.name != peer.name:
            raise AuthenticationError(f"this key is allowed already, under the name {other.name}")
    _make_private(folder / ALLOWED)
    listed = ", ".join(f'"{right}"' for right in sorted(rights))
    _write(
        folder / ALLOWED / f"{peer.name}.toml",
        f'public = "{public_key}"\nrights = [{listed}]\n',
    )
    return peer


def revoke(folder: Path, name: str) -> None:
    """Take a name's key off the list. Raises AuthenticationError when it is not there."""
    try:
        (folder / ALLOWED / f"{_name(name)}.toml").unlink()
    except FileNotFoundError:
        raise AuthenticationError(f"{folder}: no key is allowed under the name {name}") from None


def read_peers(folder: Path) -> Mapping[str, Peer]:
    """All allowed keys by name. Raises AuthenticationError naming the file that is wrong."""
    peers = {}
    for path in sorted((folder / ALLOWED).glob("*.toml")):
        values = _read(path)
        rights = values.get("rights")
        known = {right.value for right in Right}
        if not isinstance(rights, list) or not rights or not set(map(str, rights)) <= known:
            raise AuthenticationError(f"{path}: rights must be a list of view and publish")
        peers[path.stem] = Peer(
            _name(path.stem), _key(path, values, "public"), frozenset(map(Right, rights))
        )
    return peers


class AllowList:
    """Who has one right, as the folder says now. Fails closed: an unreadable folder allows nobody.

    `refresh` may be called by any thread; `trouble` is the sentence of the last failure.
    """

    def __init__(self, folder: Path, right: Right) -> None:
        self._folder = folder
        self._right = right
        self._seen: object = None
        self._names: Mapping[bytes, str] = {}
        self.trouble = ""
        self.refresh()

    def refresh(self) -> None:
        """Read the folder again if anything in it has changed."""
        try:
            seen = _fingerprint(self._folder / ALLOWED)
            if seen == self._seen:
                return
            peers = read_peers(self._folder).values()
            names = {peer.public_key: peer.name for peer in peers if self._right in peer.rights}
            self._names, self._seen, self.trouble = names, seen, ""
        except (AuthenticationError, OSError) as error:
            self._names, self._seen, self.trouble = {}, None, str(error)

    def name_of(self, key: bytes) -> str | None:
        """The name of a key that has the right; None for all others."""
        return self._names.get(key)


def server_keys(folder: Path, *, peers_need: Right) -> CurveServer:
    """Keys of an end that binds and lets in whoever has the right."""
    identity = read_identity(folder)
    read_peers(folder)  # a wrong file is told at the start
    return CurveServer(
        identity.public_key, identity.secret_key, allowed=AllowList(folder, peers_need)
    )


def client_keys(folder: Path, *, peer_needs: Right, stream: str = "") -> CurveClient:
    """Keys of an end that connects: it insists on the one allowed key that has the right.

    Of several, it is the one that is allowed under the name of the stream.
    """
    identity = read_identity(folder)
    fitting = [peer for peer in read_peers(folder).values() if peer_needs in peer.rights]
    if len(fitting) > 1:
        fitting = [peer for peer in fitting if peer.name == stream] or fitting
    if len(fitting) != 1:
        found = ", ".join(peer.name for peer in fitting) or "none"
        raise AuthenticationError(
            f"{folder}: connecting needs exactly one allowed key with the right {peer_needs}, "
            f"found {found}; see `streamcodec keys allow`"
        )
    return CurveClient(identity.public_key, identity.secret_key, fitting[0].public_key)


def _fingerprint(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    with os.scandir(folder) as entries:
        return tuple(
            sorted(
                (entry.name, found.st_mtime_ns, found.st_size, found.st_ino)
                for entry in entries
                for found in [entry.stat()]
            )
        )


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AuthenticationError(
            f"{path} is missing; make it with `streamcodec keys new`"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AuthenticationError(f"{path} cannot be read: {error}") from None


def _key(path: Path, values: Mapping[str, object], which: str) -> bytes:
    return _checked_key(values.get(which), f"{path}: {which}")


def _checked_key(value: object, what: str) -> bytes:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise AuthenticationError(f"{what} must be a key of 40 characters (Z85)")
    return value.encode("ascii")


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise AuthenticationError(
            f"{name!r} is no name: use letters, digits, dot, hyphen and underscore, at most 64"
        )
    return name


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AuthenticationError(f"{folder} cannot be made: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    """Write at once or not at all, for the owner only."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise AuthenticationError(f"{path} cannot be written: {error.strerror}") from None
