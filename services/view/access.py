# SPDX-License-Identifier: Apache-2.0
"""Access to the page: loopback needs nothing, any other address a token; pure but for one file.

A page elsewhere must not reach into ours: names other than our own address are refused (DNS
rebinding), and so is everything that another site's page asks for.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from services.errors import AuthenticationError, ConfigError

COOKIE = "streamcodec_token"
_MIN_TOKEN_CHARS = 16


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to serve on."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """True when only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_listen(text: str, *, setting: str) -> Listen:
    """`HOST:PORT`; raises ConfigError."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.path or parts.query:
        raise ConfigError(f"{setting} is {text!r}; write HOST:PORT, as 127.0.0.1:8080")
    return Listen(host, port)


def read_token(path: str | None) -> str | None:
    """The token in a file that only its owner reads; None without a file."""
    if path is None:
        return None
    try:
        mode, token = Path(path).stat().st_mode, Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AuthenticationError(f"web.token_file {path} cannot be read: {error}") from None
    if mode & 0o027:
        raise AuthenticationError(f"{path} can be read by others; run chmod 600 on it")
    if len(token) < _MIN_TOKEN_CHARS or not token.isascii() or not token.isprintable():
        raise AuthenticationError(
            f"{path}: a token has {_MIN_TOKEN_CHARS} or more printable characters"
        )
    return token


def names_loopback(host_header: str) -> bool:
    """True for a Host header that names this machine without asking a name server."""
    try:
        return Listen(urlsplit(f"//{host_header}").hostname or "", 0).loopback
    except ValueError:
        return False


def is_foreign(headers: Mapping[str, str], *, page: bool = False) -> bool:
    """True for what a browser fetches for another site's page. A link may lead to our `page`."""
    site = headers.get("Sec-Fetch-Site", "none")
    followed = page and headers.get("Sec-Fetch-Mode") == "navigate"
    return site not in ("none", "same-origin") and not followed


@dataclass(frozen=True, slots=True)
class Access:
    """Decides about requests. Raises ConfigError when open to the network without a token."""

    listen: Listen
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.token is None and not self.listen.loopback:
            raise ConfigError(
                f"web.listen is {self.listen.host}, open to the network: give web.token_file, "
                "or listen on 127.0.0.1"
            )

    def host_fits(self, host_header: str) -> bool:
        """False for a name that is not ours. With a token any name may lead here."""
        return self.token is not None or names_loopback(host_header)

    def origin_fits(self, headers: Mapping[str, str]) -> bool:
        """False for a request that another site's page makes; no origin is no browser.

        Raises ValueError for an origin that is none.
        """
        origin = headers.get("Origin")
        return origin is None or urlsplit(origin).netloc == headers.get("Host", "")

    def knows(self, given: str | None) -> bool:
        """True when that is the token, or none is needed."""
        if self.token is None:
            return True
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())
