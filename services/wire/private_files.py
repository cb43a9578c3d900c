# SPDX-License-Identifier: Apache-2.0
"""Folders and files for their owner alone, or for one group beside it.

A file that is written anew keeps owner, group and mode.
"""

from __future__ import annotations

import grp
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from services.errors import AuthenticationError

FOREIGN_BITS = 0o027  # others may do nothing, the group may read (Kubernetes mounts secrets so)


def make_private(folder: Path) -> None:
    """Make a folder that is its owner's alone; one that is there stays as it is."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AuthenticationError(f"{folder} cannot be made: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class Access:
    """Who owns a file, and who may do what with it."""

    owner: int
    group: int
    mode: int


def access_of(path: Path) -> Access | None:
    """Of a file that is there; others never get a right by it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Access(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode) & ~FOREIGN_BITS)


def group_id(group: str) -> int:
    """The number of a group. Raises AuthenticationError without it."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise AuthenticationError(
            f"there is no group {group!r} on this machine; make it with groupadd --system"
        ) from None


def share_with(folder: Path, group: int) -> None:
    """Let a group read a folder; files that are made in it belong to that group."""
    try:
        os.chown(folder, -1, group)
        folder.chmod(0o2750)
    except OSError as error:
        raise AuthenticationError(
            f"{folder} cannot be given to that group: {(error.strerror or '').lower()}"
        ) from None


def write_private(path: Path, text: str, *, like: Access | None) -> None:
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


def _give(descriptor: int, like: Access) -> None:
    """Owner, group and mode for a file; nothing is changed that fits already."""
    found = os.fstat(descriptor)
    if found.st_uid != like.owner:
        os.fchown(descriptor, like.owner, -1)
    if found.st_gid != like.group:
        os.fchown(descriptor, -1, like.group)
    os.fchmod(descriptor, like.mode)
