# SPDX-License-Identifier: Apache-2.0
"""`streamcodec encode`, `decode` and `info`: files in, files out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import options
from services.commands.codecs import load_codec, settled
from services.commands.progress import bar
from services.commands.signals import stop_on_signals
from services.settings.config import Settings

if TYPE_CHECKING:
    from services.files.summary import Progress

DEFAULT_QUALITY = 32

Input = Annotated[
    str, typer.Argument(metavar="IN", help="a picture, a video, a folder, or - for .y4m")
]
ScvInput = Annotated[Path, typer.Argument(metavar="FILE.scv", help="a .scv file")]
ScvOutput = Annotated[Path, typer.Argument(metavar="OUT.scv", help="the .scv file to write")]
Output = Annotated[
    str,
    typer.Argument(
        metavar="OUT", help=".mp4, .y4m (lossless; - for standard output), a picture, or folder/"
    ),
]
Frames = Annotated[
    int | None, typer.Option("--frames", min=1, metavar="N", help="stop after this many frames")
]
FrameBytes = Annotated[
    int | None,
    typer.Option("--frame-bytes", min=14, metavar="N", help="no frame may have more bytes"),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality", min=0, max=63, metavar="Q", help="0 coarsest to 63 finest (default 32)"
    ),
]
Kbps = Annotated[
    float | None,
    typer.Option(
        "--kbps", min=1, max=1_000_000, metavar="K", help="bit rate to keep to, in kbit/s"
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(encode)
    app.command()(decode)
    app.command()(info)


@options.of(*options.CODEC)
def encode(
    settings: Settings,
    source: Input,
    target: ScvOutput,
    quality: Quality = None,
    kbps: Kbps = None,
    frame_bytes: FrameBytes = None,
    frames: Frames = None,
    as_json: options.Json = False,
) -> None:
    """Code a picture, a video or a folder of pictures into a .scv file."""
    if sum(given is not None for given in (quality, kbps, frame_bytes)) > 1:
        raise typer.BadParameter("give one of --quality, --kbps and --frame-bytes")
    from services.files.encoding import EncodeTarget, encode_file

    if kbps is None and frame_bytes is None and quality is None:
        quality = DEFAULT_QUALITY
    codec = load_codec(settled(settings).codec)
    codec.warm_up(64, 48)  # so that the speed at the end is that of coding alone
    with stop_on_signals() as stopped, _progress("encoding", quiet=as_json) as progress:
        report = encode_file(
            codec,
            source,
            target,
            EncodeTarget(quality=quality, kbps=kbps, frame_bytes=frame_bytes),
            limit=frames,
            progress=progress,
            stopped=stopped,
        )
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        typer.echo(report.sentence(str(target)))


@options.of("codec.device", "codec.weights")
def decode(
    settings: Settings,
    source: ScvInput,
    target: Output,
    frames: Frames = None,
    as_json: options.Json = False,
) -> None:
    """Decode a .scv file into a video, a picture or a folder of pictures."""
    if as_json and target == "-":
        raise typer.BadParameter("--json and - both write to standard output: choose one")
    from services.files.decoding import decode_file
    from services.files.description import stored_size

    codec = load_codec(settings.codec, size=stored_size(source))
    codec.warm_up(64, 48)
    with stop_on_signals() as stopped, _progress("decoding", quiet=as_json) as progress:
        report = decode_file(
            codec, source, target, limit=frames, progress=progress, stopped=stopped
        )
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    elif target != "-":
        typer.echo(report.sentence(target))


def info(source: ScvInput, as_json: options.Json = False) -> None:
    """Tell what is in a .scv file, without decoding it."""
    from services.files.description import describe_file

    found = describe_file(source)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        if name != "frame_bytes":
            typer.echo(f"{name:<14} {value}")


@contextmanager
def _progress(verb: str, *, quiet: bool) -> Iterator[Progress]:
    """A progress bar on standard error; silent with --json and where that is no terminal."""
    with bar("{task.fields[rate]}", quiet=quiet, transient=True) as shown:
        task = shown.add_task(verb, total=None, rate="")

        def update(done: int, total: int | None, text: str) -> None:
            shown.update(task, completed=done, total=total, rate=text)

        yield update
