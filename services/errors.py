# SPDX-License-Identifier: Apache-2.0
"""Errors of the services, and the exit code that each one ends a command with."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_CONFIG = 3
EXIT_AUTHENTICATION = 4
EXIT_SOURCE = 5
EXIT_PEER_LOST = 6


class ServiceError(Exception):
    """Base of all errors of the services; its text is one sentence fit for a person."""

    exit_code = EXIT_FAILURE


class ConfigError(ServiceError):
    """A setting is wrong: the text names the key, the value and what is allowed."""

    exit_code = EXIT_CONFIG


class AuthenticationError(ServiceError):
    """Keys are absent, unreadable or refused."""

    exit_code = EXIT_AUTHENTICATION


class SourceError(ServiceError):
    """A camera, file or screen cannot deliver frames."""

    exit_code = EXIT_SOURCE


class EndOfSource(ServiceError):
    """A file has no more frames: the normal end of a source, no failure."""

    exit_code = EXIT_OK


class SinkError(ServiceError):
    """A window, file or device cannot take frames."""


class PeerLost(ServiceError):
    """The other end never came, or went away for good."""

    exit_code = EXIT_PEER_LOST


class RemoteProtocolError(ServiceError):
    """The peer's bytes or behaviour broke the rules of the session."""
