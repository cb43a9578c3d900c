# SPDX-License-Identifier: Apache-2.0
"""A folder of keys says who may do what; what cannot be read any more stays as it was, loudly."""

from __future__ import annotations

import grp
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import AuthenticationError
from services.wire import keys
from services.wire.allow_list import AllowList
from services.wire.endpoint_keys import client_keys
from services.wire.keys import Right

A, B = "a" * 40, "b" * 40
VIEW = frozenset({Right.VIEW})
BOTH = frozenset(Right)
NOBODYS_GROUP = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

_READING = """
import os, sys
from pathlib import Path
from services.wire import keys
from services.errors import AuthenticationError
os.setgroups([int(sys.argv[2])])
os.setgid(54321)
os.setuid(54321)
try:
    keys.read_identity(Path(sys.argv[1]))
    print(*keys.read_peers(Path(sys.argv[1])))
except AuthenticationError as error:
    print(error)
"""


def read_as(folder: Path, *, group: int) -> str:
    """What a service's user in that group finds in the folder, or the sentence it gets."""
    for parent in folder.parents:  # pytest's own folders are closed to others
        if parent.stat().st_mode & 0o011 == 0:
            parent.chmod(0o711)
    root = Path(__file__).resolve().parents[4]
    read = subprocess.run(
        [sys.executable, "-c", _READING, str(folder), str(group)],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return read.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.create(tmp_path / "keys", lambda: (A.encode(), B.encode()))
    return tmp_path / "keys"


def test_everything_written_is_for_the_owner_only(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    for path in (folder / "identity.toml", folder / "allowed" / "alice.toml"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_pair_is_made_once(folder: Path) -> None:
    with pytest.raises(AuthenticationError, match="exists already"):
        keys.create(folder, lambda: (B.encode(), A.encode()))
    assert keys.read_identity(folder).public_key == A.encode()


def test_the_secret_is_not_printed(folder: Path) -> None:
    assert B not in repr(keys.read_identity(folder))


def test_a_secret_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "identity.toml").chmod(0o644)
    with pytest.raises(AuthenticationError, match="chmod 600"):
        keys.read_identity(folder)


def test_a_missing_pair_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match="keys new"):
        keys.read_identity(tmp_path)


def test_rights_are_told_apart(folder: Path) -> None:
    keys.allow(folder, "viewer", A, VIEW)
    keys.allow(folder, "camera", B, frozenset({Right.PUBLISH}))
    assert AllowList(folder, Right.VIEW).name_of(A.encode()) == "viewer"
    assert AllowList(folder, Right.VIEW).name_of(B.encode()) is None
    assert AllowList(folder, Right.PUBLISH).name_of(B.encode()) == "camera"


def test_a_change_is_noticed(folder: Path) -> None:
    gate = AllowList(folder, Right.VIEW)
    assert gate.name_of(A.encode()) is None
    keys.allow(folder, "alice", A, VIEW)
    gate.refresh()
    assert gate.name_of(A.encode()) == "alice"
    keys.revoke(folder, "alice")
    gate.refresh()
    assert gate.name_of(A.encode()) is None


def happened(gate: AllowList) -> list[tuple[str, str]]:
    return [(event.name, event.text) for event in gate.recent_events()]


def test_a_damaged_file_changes_nothing_for_the_others_and_is_told_once(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    gate = AllowList(folder, Right.VIEW)
    (folder / "allowed" / "bob.toml").write_text("public = 5")
    for _ in range(3):
        gate.refresh()
    assert gate.name_of(A.encode()) == "alice"
    assert "bob.toml" in gate.trouble
    assert "nobody is let in by it" in gate.trouble
    assert [name for name, _ in happened(gate)] == ["keys_unreadable"]
    (folder / "allowed" / "bob.toml").unlink()
    gate.refresh()
    assert not gate.trouble
    assert [name for name, _ in happened(gate)] == ["keys_unreadable", "keys_readable"]


def test_a_file_that_is_damaged_leaves_its_key_allowed(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    gate = AllowList(folder, Right.VIEW)
    (folder / "allowed" / "alice.toml").write_text("half a fi")
    gate.refresh()
    assert gate.name_of(A.encode()) == "alice"
    assert "what it said before stays in force" in gate.trouble


def test_revoking_works_beside_a_damaged_file(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    gate = AllowList(folder, Right.VIEW)
    (folder / "allowed" / "bob.toml").write_text("public = 5")
    keys.revoke(folder, "alice")
    gate.refresh()
    assert gate.name_of(A.encode()) is None
    assert ("revoked", "alice may not view any more") in happened(gate)


@pytest.mark.parametrize("how", ["renamed", "a file in its place"])
def test_a_folder_that_cannot_be_read_keeps_the_last_good_list_and_says_so(
    folder: Path, how: str
) -> None:
    keys.allow(folder, "alice", A, VIEW)
    gate = AllowList(folder, Right.VIEW)
    (folder / "allowed").rename(folder / "aside")
    if how != "renamed":
        (folder / "allowed").write_text("")
    for _ in range(3):
        gate.refresh()
    assert gate.name_of(A.encode()) == "alice"
    assert str(folder / "allowed") in gate.trouble
    assert "stay in force" in gate.trouble
    assert [name for name, _ in happened(gate)] == ["keys_unreadable"]
    if how != "renamed":
        (folder / "allowed").unlink()
    (folder / "aside").rename(folder / "allowed")
    keys.revoke(folder, "alice")
    gate.refresh()
    assert gate.name_of(A.encode()) is None
    assert not gate.trouble


def test_a_folder_that_was_never_read_allows_nobody(tmp_path: Path) -> None:
    gate = AllowList(tmp_path / "nowhere", Right.VIEW)
    assert gate.name_of(A.encode()) is None
    assert gate.trouble


def test_allowing_and_revoking_are_events(folder: Path) -> None:
    gate = AllowList(folder, Right.VIEW, clock_us=lambda: 7)
    keys.allow(folder, "alice", A, BOTH)
    gate.refresh()
    keys.allow(folder, "alice", A, frozenset({Right.PUBLISH}))
    gate.refresh()
    assert happened(gate) == [
        ("allowed", "alice may view"),
        ("revoked", "alice may not view any more"),
    ]
    assert {event.at_us for event in gate.recent_events()} == {7}


def test_a_folder_closed_to_this_user_is_named_at_the_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty list would be an answer, but the wrong one."""

    def closed(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.listdir", closed)
    with pytest.raises(AuthenticationError, match="keys new --group"):
        keys.read_peers(folder)


@needs_root
def test_what_root_makes_for_a_group_is_read_by_that_group_alone(tmp_path: Path) -> None:
    group = grp.getgrgid(NOBODYS_GROUP).gr_name
    folder = tmp_path / "keys"
    keys.create(folder, lambda: (A.encode(), B.encode()), group=group)
    keys.allow(folder, "alice", A, VIEW)
    for path in (folder / "identity.toml", folder / "allowed" / "alice.toml"):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (0, NOBODYS_GROUP)
        assert stat.S_IMODE(found.st_mode) == 0o640
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2750
    assert keys.read_identity(folder).public_key == A.encode()
    assert read_as(folder, group=NOBODYS_GROUP) == "alice"
    assert "identity.toml cannot be read by this user" in read_as(folder, group=NOBODYS_GROUP + 1)


@needs_root
def test_allowing_anew_keeps_owner_group_and_mode(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    path = folder / "allowed" / "alice.toml"
    os.chown(path, 1234, 2345)
    path.chmod(0o440)
    keys.allow(folder, "alice", A, BOTH)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o440)


@needs_root
def test_a_new_file_is_for_whoever_reads_the_identity(folder: Path) -> None:
    os.chown(folder / "identity.toml", 1234, 2345)
    keys.allow(folder, "alice", A, VIEW)
    found = (folder / "allowed" / "alice.toml").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o600)


def test_a_group_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match="'no-such-group'"):
        keys.create(tmp_path / "keys", lambda: (A.encode(), B.encode()), group="no-such-group")
    assert not (tmp_path / "keys").exists()


def test_a_key_has_one_name(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    with pytest.raises(AuthenticationError, match="alice"):
        keys.allow(folder, "bob", A, VIEW)
    keys.allow(folder, "alice", A, BOTH)
    assert keys.read_peers(folder)["alice"].rights == BOTH


def test_connecting_needs_one_server(folder: Path) -> None:
    with pytest.raises(AuthenticationError, match="found none"):
        client_keys(folder, peer_needs=Right.PUBLISH)
    keys.allow(folder, "studio", A, frozenset({Right.PUBLISH}))
    assert client_keys(folder, peer_needs=Right.PUBLISH).server_key == A.encode()
    keys.allow(folder, "spare", B, frozenset({Right.PUBLISH}))
    with pytest.raises(AuthenticationError, match="spare, studio"):
        client_keys(folder, peer_needs=Right.PUBLISH)
    with pytest.raises(AuthenticationError, match="spare, studio"):
        client_keys(folder, peer_needs=Right.PUBLISH, stream="door")


def test_of_several_servers_the_one_named_like_the_stream_is_meant(folder: Path) -> None:
    for name, key in (("studio", A), ("door", B)):
        keys.allow(folder, name, key, frozenset({Right.PUBLISH}))
    chosen = client_keys(folder, peer_needs=Right.PUBLISH, stream="door")
    assert chosen.server_key == B.encode()


def test_revoking_a_stranger_is_an_error(folder: Path) -> None:
    with pytest.raises(AuthenticationError, match="nobody"):
        keys.revoke(folder, "nobody")


@given(name=st.text(max_size=80))
def test_no_name_leaves_the_folder(name: str) -> None:
    folder = Path("/nonexistent-folder-of-keys")
    with pytest.raises(AuthenticationError):
        keys.allow(folder, f"../{name}", A, VIEW)
    with pytest.raises(AuthenticationError):
        keys.revoke(folder, f"{name}/x")


@given(text=st.text(max_size=60))
def test_what_is_no_key_is_refused(text: str) -> None:
    if len(text) != 40:
        with pytest.raises(AuthenticationError):
            keys.allow(Path("/nonexistent-folder-of-keys"), "alice", text, VIEW)
