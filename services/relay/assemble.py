# SPDX-License-Identifier: Apache-2.0
"""From settings to a relay: `relay.connect` names one address, or several as NAME=URL."""

from __future__ import annotations

from dataclasses import replace

from services.errors import ConfigError
from services.protocol.fanout import MAX_FOLLOWERS
from services.relay.daemon import Feed, Relay, RelayConfig
from services.settings.config import SecuritySettings, Settings
from services.wire.addressing import endpoint
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES

MAX_FEEDS = 64
MAX_CONNECTIONS = 2 * MAX_FOLLOWERS


def make_relay(settings: Settings) -> Relay:
    """A relay of all streams that the settings name. Raises ConfigError."""
    wanted, security = settings.relay, settings.security
    downstream = replace(
        endpoint(where="relay", bind=wanted.bind, connect=None, binds=True, security=security),
        max_connections=MAX_CONNECTIONS,
    )
    feeds = parse_feeds(wanted.connect, stream=wanted.stream)
    return Relay(RelayConfig(tuple(_feed(url, name, security) for name, url in feeds), downstream))


def parse_feeds(text: str, *, stream: str) -> tuple[tuple[str, str], ...]:
    """Name and address of each stream: `URL`, or `NAME=URL` once or more, parted by commas.

    `stream` is the name asked for where the one address has none before it. Raises ConfigError.
    """
    entries = [_entry(part.strip()) for part in text.split(",") if part.strip()]
    names = [name for name, _ in entries]
    if not 1 <= len(entries) <= MAX_FEEDS:
        raise ConfigError(f"relay.connect is {text!r}; it must be 1 to {MAX_FEEDS} addresses")
    if stream and (len(entries) > 1 or names[0]):
        raise ConfigError("relay.stream names the stream of one address; here relay.connect does")
    if len(entries) == 1:
        return ((names[0] or stream, entries[0][1]),)
    if not all(names):
        raise ConfigError("relay.connect has several addresses; write each as NAME=URL")
    if len(set(names)) < len(names):
        raise ConfigError("relay.connect has two streams of one name; names tell them apart")
    return tuple(entries)


def _entry(text: str) -> tuple[str, str]:
    name, mark, url = text.partition("=")
    if not mark or "://" in name:
        return "", text
    return name.strip(), url.strip()


def _feed(url: str, name: str, security: SecuritySettings) -> Feed:
    return Feed(
        endpoint(
            where="receiver",
            bind=None,
            connect=url,
            binds=False,
            security=security,
            max_message_bytes=MAX_PACKET_MESSAGE_BYTES,
            stream=name,
        ),
        name,
    )
