# SPDX-License-Identifier: Apache-2.0
"""A folder of keys: who this process is, and which other keys may do what.

    FOLDER/identity.toml        public, secret: this process; mode 0600
    FOLDER/allowed/NAME.toml    public, rights: a peer under the name that statistics show

Revoking deletes a peer's file. A running daemon looks at the folder twice a second. What it cannot
read any more stays as it was last read, and is told loudly: a slip of the hand in this folder must
not cut everybody off.

Files are for their owner alone, or for one group beside it (`create(group=...)`), as which a
service reads what root has made. A file that is written anew keeps owner, group and mode.
"""

from __future__ import annotations

import grp
import os
import re
import stat
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from services.errors import AuthenticationError
from services.measure.events import EventLog, StreamEvent
from services.wire.endpoint import CurveClient, CurveServer

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


def create(
    folder: Path, make_pair: Callable[[], tuple[bytes, bytes]], *, group: str | None = None
) -> Identity:
    """Make a pair and write it; members of the group may read the folder, where one is named.

    Raises AuthenticationError when there is a pair already, or no such group.
    """
    path = folder / IDENTITY
    if path.exists():
        raise AuthenticationError(f"{path} exists already; show it with `streamcodec keys show`")
    shared = None if group is None else _group_id(group)
    public, secret = make_pair()
    for made in (folder, folder / ALLOWED):
        _make_private(made)
        if shared is not None:
            _share(made, shared)
    _write(
        path,
        "# The secret of this machine: never copy it, never show it.\n"
        f'public = "{public.decode()}"\nsecret = "{secret.decode()}"\n',
        like=None if shared is None else _Access(os.geteuid(), shared, 0o640),
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
    there = (folder / ALLOWED).is_dir()
    _make_private(folder / ALLOWED)
    listed = ", ".join(f'"{right}"' for right in sorted(rights))
    path = folder / ALLOWED / f"{peer.name}.toml"
    # Whoever may read the identity may read this: a daemon under another user than ours.
    like = _access_of(path) or _access_of(folder / IDENTITY)
    if like is not None and not there and like.mode & stat.S_IRGRP:
        _share(folder / ALLOWED, like.group)
    _write(path, f'public = "{public_key}"\nrights = [{listed}]\n', like=like)
    return peer


def revoke(folder: Path, name: str) -> None:
    """Take a name's key off the list. Raises AuthenticationError when it is not there."""
    try:
        (folder / ALLOWED / f"{_name(name)}.toml").unlink()
    except FileNotFoundError:
        raise AuthenticationError(f"{folder}: no key is allowed under the name {name}") from None


def read_peers(folder: Path) -> Mapping[str, Peer]:
    """All allowed keys by name; none where the folder is absent.

    Raises AuthenticationError naming the file or folder that is wrong.
    """
    try:
        paths = _peer_files(folder)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AuthenticationError(_unreadable(folder / ALLOWED, error)) from None
    return {path.stem: _read_peer(path) for path in paths}


class AllowList:
    """Who has one right, as the folder says now.

    `refresh` may be called by any thread. While something in the folder cannot be read, `trouble`
    is a sentence about it, and what was read of it last stays in force; a file that is deleted is
    a key that is revoked. Nobody is allowed whose file was never read.
    """

    def __init__(
        self,
        folder: Path,
        right: Right,
        *,
        clock_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
    ) -> None:
        self._folder = folder
        self._right = right
        self._now_us = clock_us
        self._lock = threading.Lock()
        self._seen: object = None
        self._peers: Mapping[str, Peer] | None = None  # by name; None before the first reading
        self._names: Mapping[bytes, str] = {}
        self._events = EventLog()
        self._trouble = ""
        self.refresh()

    @property
    def trouble(self) -> str:
        """What cannot be read, in a sentence; "" while all is well."""
        return self._trouble

    def refresh(self) -> None:
        """Read the folder again if anything in it has changed."""
        with self._lock:
            try:
                seen = _fingerprint(self._folder / ALLOWED)
                if seen == self._seen:
                    return
                paths = _peer_files(self._folder)
            except OSError as error:
                self._seen = None
                wrong = _unreadable(self._folder / ALLOWED, error)
                self._tell_trouble(f"{wrong}; the keys read before stay in force")
                return
            trouble = self._take(paths)
            self._seen = None if trouble else seen
            self._tell_trouble(trouble)

    def name_of(self, key: bytes) -> str | None:
        """The name of a key that has the right; None for all others."""
        return self._names.get(key)

    def recent_events(self) -> tuple[StreamEvent, ...]:
        """Keys allowed and revoked, and trouble with the folder, oldest first."""
        with self._lock:
            return self._events.snapshot()

    def _take(self, paths: list[Path]) -> str:
        """Read the files; returns what is wrong with the first that cannot be read."""
        before, after, trouble = self._peers or {}, {}, ""
        for path in paths:
            try:
                after[path.stem] = _read_peer(path)
            except AuthenticationError as error:
                kept = before.get(path.stem)
                if kept is not None:
                    after[path.stem] = kept
                stays = "what it said before stays in force" if kept else "nobody is let in by it"
                trouble = trouble or f"{error}; {stays}"
        if self._peers is not None:
            self._tell_changes(self._with_right(before), self._with_right(after))
        self._peers = after
        self._names = {key: name for name, key in self._with_right(after).items()}
        return trouble

    def _with_right(self, peers: Mapping[str, Peer]) -> dict[str, bytes]:
        return {p.name: p.public_key for p in peers.values() if self._right in p.rights}

    def _tell_changes(self, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
        now = self._now_us()
        for name in sorted(before):
            if after.get(name) != before[name]:
                self._events.add(now, "revoked", f"{name} may not {self._right} any more")
        for name in sorted(after):
            if before.get(name) != after[name]:
                self._events.add(now, "allowed", f"{name} may {self._right}")

    def _tell_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            name = "keys_unreadable" if trouble else "keys_readable"
            self._events.add(self._now_us(), name, trouble or str(self._folder))
        self._trouble = trouble


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
        return tuple(sorted(_stamp(entry) for entry in entries))


def _stamp(entry: os.DirEntry[str]) -> tuple[str, int, int, int]:
    try:
        found = entry.stat()
    except OSError:
        return entry.name, 0, 0, 0  # a link that leads nowhere, or gone this moment
    return entry.name, found.st_mtime_ns, found.st_size, found.st_ino


def _peer_files(folder: Path) -> list[Path]:
    """Files of allowed keys, in order. Raises OSError, which `Path.glob` would not."""
    names = sorted(os.listdir(folder / ALLOWED))
    return [folder / ALLOWED / name for name in names if _is_peer_file(name)]


def _is_peer_file(name: str) -> bool:
    return name.endswith(".toml") and not name.startswith(".")


def _read_peer(path: Path) -> Peer:
    values = _read(path)
    rights = values.get("rights")
    known = {right.value for right in Right}
    if not isinstance(rights, list) or not rights or not set(map(str, rights)) <= known:
        raise AuthenticationError(f"{path}: rights must be a list of view and publish")
    key = _key(path, values, "public")
    return Peer(_name(path.stem), key, frozenset(map(Right, rights)))


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AuthenticationError(
            f"{path} is missing; make it with `streamcodec keys new`"
        ) from None
    except OSError as error:
        raise AuthenticationError(_unreadable(path, error)) from None
    except UnicodeDecodeError:
        text = f"{path} cannot be read: it is no text; is it damaged, or another kind of file?"
        raise AuthenticationError(text) from None
    except tomllib.TOMLDecodeError as error:
        raise AuthenticationError(f"{path} cannot be read: {error}") from None


def _unreadable(path: Path, error: OSError) -> str:
    """A sentence about a path; for one that is closed to us, with what to do."""
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, PermissionError):
        return (
            f"{path} cannot be read by this user: {reason}; make keys with `keys new --group "
            "GROUP` and run the service in that group, or change their owner"
        )
    return f"{path} cannot be read: {reason}"


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


@dataclass(frozen=True, slots=True)
class _Access:
    """Who owns a file, and who may do what with it."""

    owner: int
    group: int
    mode: int


def _access_of(path: Path) -> _Access | None:
    """Of a file that is there; others never get a right by it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return _Access(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode) & ~_FOREIGN_BITS)


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise AuthenticationError(
            f"there is no group {group!r} on this machine; make it with groupadd --system"
        ) from None


def _share(folder: Path, group: int) -> None:
    """Let a group read a folder; files that are made in it belong to that group."""
    try:
        os.chown(folder, -1, group)
        folder.chmod(0o2750)
    except OSError as error:
        raise AuthenticationError(
            f"{folder} cannot be given to that group: {(error.strerror or '').lower()}"
        ) from None


def _write(path: Path, text: str, *, like: _Access | None) -> None:
    """Write at once or not at all; for the owner only, or with owner, group and mode of another."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            if like is not None:
                _give(file.fileno(), like)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        reason = (error.strerror or str(error)).lower()
        raise AuthenticationError(f"{path} cannot be written: {reason}") from None


def _give(descriptor: int, like: _Access) -> None:
    """Owner, group and mode for a file; nothing is changed that fits already."""
    found = os.fstat(descriptor)
    if found.st_uid != like.owner:
        os.fchown(descriptor, like.owner, -1)
    if found.st_gid != like.group:
        os.fchown(descriptor, -1, like.group)
    os.fchmod(descriptor, like.mode)
