# SPDX-License-Identifier: Apache-2.0
"""`streamcodec keys`: make this machine's key, and allow others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.commands import options
from services.settings.config import Settings

group = typer.Typer(help="Make keys, and allow or revoke those of others.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="how statistics and logs will call the key's owner")]
PublicKey = Annotated[str, typer.Argument(help="the 40 characters that `keys show` prints there")]
Rights = Annotated[
    list[str],
    typer.Option("--right", metavar="view|publish", help="what it may do; may be repeated"),
]
Group = Annotated[
    str | None,
    typer.Option("--group", metavar="GROUP", help="let this group read them, for a service"),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="keys")


@group.command()
@options.of("security.keys")
def new(settings: Settings, shared: Group = None) -> None:
    """Make this machine's pair of keys in the folder."""
    from services.wire.key_pair import make_pair
    from services.wire.keys import create

    folder = _folder(settings)
    identity = create(folder, make_pair, group=shared)
    typer.echo(
        f"made {folder}/identity.toml; at the other end allow its owner to view "
        "(to send there: --right publish):"
    )
    typer.echo(_command(identity.public_key))


@group.command()
@options.of("security.keys")
def show(settings: Settings) -> None:
    """Print the public key, and who is allowed what; secrets are never printed."""
    from services.wire.keys import read_identity, read_peers

    folder = _folder(settings)
    typer.echo(read_identity(folder).public_key.decode())
    for peer in read_peers(folder).values():
        typer.echo(f"{peer.name:<24} {peer.public_key.decode()}  {' '.join(sorted(peer.rights))}")


@group.command()
@options.of("security.keys")
def allow(
    settings: Settings,
    name: Name,
    public_key: PublicKey,
    right: Rights = ["view"],  # noqa: B006  (read once by the parser, never changed)
) -> None:
    """Let the owner of a public key in; running daemons notice within a second."""
    from services.errors import AuthenticationError
    from services.wire.keys import Right
    from services.wire.keys import allow as let_in

    if not set(right) <= set(Right):
        raise AuthenticationError(f"--right is {' '.join(right)}; it must be view or publish")
    peer = let_in(_folder(settings), name, public_key, frozenset(map(Right, right)))
    typer.echo(f"{peer.name} may {' and '.join(sorted(peer.rights))}")


@group.command()
@options.of("security.keys")
def revoke(settings: Settings, name: Name) -> None:
    """Shut the owner of a key out; running daemons cut it off within a second."""
    from services.wire.keys import revoke as shut_out

    shut_out(_folder(settings), name)
    typer.echo(f"{name} is revoked")


def _folder(settings: Settings) -> Path:
    from services.errors import ConfigError

    if not settings.security.keys:
        raise ConfigError("security.keys is not set: name the folder of keys with --keys")
    return Path(settings.security.keys)


def _command(public_key: bytes) -> str:
    import shlex
    import socket

    name = socket.gethostname().partition(".")[0] or "peer"
    return f"streamcodec keys allow {name} {shlex.quote(public_key.decode())} --right view"
