# SPDX-License-Identifier: Apache-2.0
"""Where the page may listen, and with which token."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import AuthenticationError, ConfigError
from services.view.access import Access, Listen, parse_listen, read_token


def test_beyond_loopback_a_token_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"web\.token_file"):
        Access(Listen("0.0.0.0", 8080))
    loose = tmp_path / "token"
    loose.write_text("a-long-enough-token")
    loose.chmod(0o644)
    with pytest.raises(AuthenticationError, match="chmod 600"):
        read_token(str(loose))


@pytest.mark.parametrize("text", ["", "8080", "host", "host:99999", "host:x", "http://h:1/"])
def test_a_wrong_address_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.listen"):
        parse_listen(text, setting="web.listen")
