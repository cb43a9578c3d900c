# SPDX-License-Identifier: Apache-2.0
"""What an address is, and how one may be shown: without user, password, query and keys; pure.

Everything that prints, logs, counts or serves a source or an output goes through `masked`.
"""

from __future__ import annotations

import re

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "srt", "tcp")
HIDDEN = "***"
# The last part of such a path is a stream key, the right to publish.
_KEYED = ("rtmp", "rtmps", "rtmpt", "rtmpe")

_ADDRESS = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*)://([^\s\"'<>`|]*)")
_LONG_WORD = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_\-=~.%]{24,}")
_FILE_NAME = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_PARAMETER = re.compile(
    r"(?i)\b(pass(?:word|wd)?|pwd|token|secret|api_?key|auth|streamid)=[^\s&,;)]+"
)


def is_address(spec: str) -> bool:
    """Whether a source is named by a network address."""
    scheme, found, _ = spec.partition("://")
    return bool(found) and scheme.lower() in SCHEMES


def masked(text: str) -> str:
    """The text with everything secret in its addresses left out, or replaced by `***`.

    User and password are left out. Hidden are the query, the fragment, parameters after a
    semicolon, words of a path that look like tokens, and the stream key that ends an RTMP path.
    Text without an address comes back as it is, but for `password=...` and its like. Applied
    twice it changes nothing more.
    """
    return _PARAMETER.sub(lambda found: f"{found[1]}={HIDDEN}", _ADDRESS.sub(_shown, text))


def _shown(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    tail = ""
    while rest and rest[-1] in ").,;:]}":  # of the sentence around it
        rest, tail = rest[:-1], rest[-1] + tail
    rest, mark = _cut(_without_user(rest))
    host, slash, path = rest.partition("/")
    parts = [_part(part) for part in path.split("/")]
    if scheme.lower() in _KEYED and len(parts) > 1 and parts[-1]:
        parts[-1] = HIDDEN
    return f"{scheme}://{host}{slash}{'/'.join(parts)}{mark}{tail}"


def _without_user(rest: str) -> str:
    """What follows user and password.

    These may hold signs that nobody escaped, a slash or an at sign, so that all up to the last
    `@` goes; one in the path of a host without user or port is the path's own.
    """
    plain = re.split(r"[?#]", rest, maxsplit=1)[0]
    host = plain.partition("/")[0]
    if "@" in plain and ("@" in host or ":" in host):
        return rest[plain.rindex("@") + 1 :]
    port = host.rpartition(":")[2]
    if "@" in rest and port != host and not (port.isdecimal() or port.endswith("]")):
        return rest.rpartition("@")[2]  # no port: a password with one of those signs
    return rest


def _cut(rest: str) -> tuple[str, str]:
    """The part before query, fragment or parameters, and a mark in their place."""
    at = min((rest.find(sign) for sign in "?#;" if sign in rest), default=-1)
    return (rest, "") if at < 0 else (rest[:at], f"{rest[at]}{HIDDEN}")


def _part(part: str) -> str:
    plain = _FILE_NAME.sub("", part)
    return part.replace(plain, HIDDEN) if plain and _LONG_WORD.fullmatch(plain) else part
