# SPDX-License-Identifier: Apache-2.0
"""A folder of keys says who may do what, and fails closed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import keys
from services.errors import AuthenticationError
from services.keys import AllowList, Right

A, B = "a" * 40, "b" * 40
VIEW = frozenset({Right.VIEW})
BOTH = frozenset(Right)


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


def test_one_damaged_file_shuts_everybody_out(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    gate = AllowList(folder, Right.VIEW)
    (folder / "allowed" / "bob.toml").write_text("public = 5")
    gate.refresh()
    assert gate.name_of(A.encode()) is None
    assert "bob.toml" in gate.trouble
    (folder / "allowed" / "bob.toml").unlink()
    gate.refresh()
    assert gate.name_of(A.encode()) == "alice"


def test_a_folder_that_is_gone_allows_nobody(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    gate = AllowList(folder, Right.VIEW)
    (folder / "allowed" / "alice.toml").unlink()
    (folder / "allowed").rmdir()
    gate.refresh()
    assert gate.name_of(A.encode()) is None
    assert gate.trouble


def test_a_key_has_one_name(folder: Path) -> None:
    keys.allow(folder, "alice", A, VIEW)
    with pytest.raises(AuthenticationError, match="alice"):
        keys.allow(folder, "bob", A, VIEW)
    keys.allow(folder, "alice", A, BOTH)
    assert keys.read_peers(folder)["alice"].rights == BOTH


def test_connecting_needs_one_server(folder: Path) -> None:
    with pytest.raises(AuthenticationError, match="found none"):
        keys.client_keys(folder, peer_needs=Right.PUBLISH)
    keys.allow(folder, "studio", A, frozenset({Right.PUBLISH}))
    assert keys.client_keys(folder, peer_needs=Right.PUBLISH).server_key == A.encode()
    keys.allow(folder, "spare", B, frozenset({Right.PUBLISH}))
    with pytest.raises(AuthenticationError, match="spare, studio"):
        keys.client_keys(folder, peer_needs=Right.PUBLISH)
    with pytest.raises(AuthenticationError, match="spare, studio"):
        keys.client_keys(folder, peer_needs=Right.PUBLISH, stream="door")


def test_of_several_servers_the_one_named_like_the_stream_is_meant(folder: Path) -> None:
    for name, key in (("studio", A), ("door", B)):
        keys.allow(folder, name, key, frozenset({Right.PUBLISH}))
    chosen = keys.client_keys(folder, peer_needs=Right.PUBLISH, stream="door")
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
