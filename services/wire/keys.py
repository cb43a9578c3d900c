# SPDX-License-Identifier: Apache-2.0
"""A folder of keys: who this process is, and which other keys may do what.

    FOLDER/identity.toml        public, secret: this process; mode 0600
    FOLDER/allowed/NAME.toml    public, rights: a peer under the name that statistics show

Revoking deletes a peer's file; a running daemon notices (`wire.allow_list`). Files are for their
owner alone, or for one group beside it (`create(group=...)`), as which a service reads what root
has made.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from services.errors import AuthenticationError
from services.wire.private_files import (
    FOREIGN_BITS,
    Access,
    access_of,
    group_id,
    make_private,
    share_with,
    write_private,
)

IDENTITY = "identity.toml"
ALLOWED = "allowed"
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
    shared = None if group is None else group_id(group)
    public, secret = make_pair()
    for made in (folder, folder / ALLOWED):
        make_private(made)
        if shared is not None:
            share_with(made, shared)
    write_private(
        path,
        "# The secret of this machine: never copy it, never show it.\n"
        f'public = "{public.decode()}"\nsecret = "{secret.decode()}"\n',
        like=None if shared is None else Access(os.geteuid(), shared, 0o640),
    )
    return Identity(public, secret)


def read_identity(folder: Path) -> Identity:
    """This process's pair. Raises AuthenticationError when absent, open to others or damaged."""
    path = folder / IDENTITY
    values = _read(path)
    if path.stat().st_mode & FOREIGN_BITS:
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
    make_private(folder / ALLOWED)
    listed = ", ".join(f'"{right}"' for right in sorted(rights))
    path = folder / ALLOWED / f"{peer.name}.toml"
    # Whoever may read the identity may read this: a daemon under another user than ours.
    like = access_of(path) or access_of(folder / IDENTITY)
    if like is not None and not there and like.mode & stat.S_IRGRP:
        share_with(folder / ALLOWED, like.group)
    write_private(path, f'public = "{public_key}"\nrights = [{listed}]\n', like=like)
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
        paths = peer_files(folder)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AuthenticationError(unreadable(folder / ALLOWED, error)) from None
    return {path.stem: read_peer(path) for path in paths}


def peer_files(folder: Path) -> list[Path]:
    """Files of allowed keys, in order. Raises OSError, which `Path.glob` would not."""
    names = sorted(os.listdir(folder / ALLOWED))
    return [folder / ALLOWED / name for name in names if _is_peer_file(name)]


def _is_peer_file(name: str) -> bool:
    return name.endswith(".toml") and not name.startswith(".")


def read_peer(path: Path) -> Peer:
    """The key in a file. Raises AuthenticationError where it is not right."""
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
        raise AuthenticationError(unreadable(path, error)) from None
    except UnicodeDecodeError:
        text = f"{path} cannot be read: it is no text; is it damaged, or another kind of file?"
        raise AuthenticationError(text) from None
    except tomllib.TOMLDecodeError as error:
        raise AuthenticationError(f"{path} cannot be read: {error}") from None


def unreadable(path: Path, error: OSError) -> str:
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
