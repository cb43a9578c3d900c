# SPDX-License-Identifier: Apache-2.0
"""`streamcodec train`: fit the codec to the user's own pictures and clips."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import options
from services.commands.progress import bar
from services.commands.signals import leave_in_order
from services.errors import ConfigError

if TYPE_CHECKING:
    from streamcodec.training.run import Progress

Config = Annotated[
    Path | None, typer.Argument(metavar="CONFIG.toml", help="what to train, see docs/training.md")
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="DIR", help="learn from the pictures and clips below; repeat"),
]
Output = Annotated[
    str | None, typer.Option("--output", metavar="DIR", help="folder of the run (training)")
]
Minutes = Annotated[
    float | None, typer.Option("--minutes", min=0.1, metavar="M", help="take about this long")
]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="shipped|untrained|FILE", help="weights to start from"),
]
Size = Annotated[
    str | None,
    typer.Option("--size", metavar="S|M", help="S: the prior and its tables; M: decoder networks"),
]
Plot = Annotated[bool, typer.Option("--plot", help="draw the log of a run, and train nothing")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(train)


def train(
    config: Config = None,
    data: Data = None,
    output: Output = None,
    minutes: Minutes = None,
    start: Start = None,
    size: Size = None,
    plot: Plot = False,
    as_json: options.Json = False,
) -> None:
    """Fit the codec to pictures and clips; started again, it goes on where it was stopped."""
    import cv2
    import torch

    from streamcodec.training import networks_run
    from streamcodec.training.config import (
        TrainConfig,
        TrainingConfigError,
        read_config,
        with_size,
    )
    from streamcodec.training.plot import plot as draw
    from streamcodec.training.run import run

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        settings = read_config(config) if config else TrainConfig()
        if data:
            settings = replace(settings, data=tuple(data))
        if output is not None:
            settings = replace(settings, output=output)
        if minutes is not None:
            settings = replace(settings, minutes=minutes)
        if start is not None:
            settings = replace(settings, start=start)
        if size is not None:
            settings = with_size(settings, size)
        if plot:
            typer.echo(f"drew {draw(Path(settings.output))}")
            return
        with leave_in_order(), _progress(quiet=as_json) as progress:
            work = networks_run.run if settings.size == "M" else run
            outcome = work(settings, progress=progress)
    except TrainingConfigError as error:
        raise ConfigError(str(error)) from None
    report = {
        "weights": str(outcome.weights),
        "model": outcome.digest,
        "bytes_before": outcome.before.held_out_bytes,
        "bytes_after": outcome.after.held_out_bytes,
        "psnr_y_db_before": outcome.before.held_out_psnr_y_db,
        "psnr_y_db_after": outcome.after.held_out_psnr_y_db,
        "helped": outcome.helped,
        "skipped_steps": outcome.skipped_steps,
        "seconds": round(outcome.seconds, 1),
    }
    if as_json:
        typer.echo(json.dumps(report))
        return
    typer.echo(
        f"wrote {outcome.weights} (model {outcome.digest}): held-out files take "
        f"{outcome.after.held_out_bytes} bytes at {outcome.after.held_out_psnr_y_db:.2f} dB, "
        f"before {outcome.before.held_out_bytes} at {outcome.before.held_out_psnr_y_db:.2f} dB; "
        + (
            f"use it with --size {settings.size} --weights {outcome.weights}"
            if outcome.helped
            else "that is no gain: give it more files or minutes, or keep the weights you had"
        )
    )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """A bar with the time left for each stage, on standard error."""
    with bar(quiet=quiet) as shown:
        tasks = {name: shown.add_task(name, total=None) for name in ("collecting", "fitting")}

        def update(stage: str, done: int, total: int) -> None:
            shown.update(tasks[stage], completed=done, total=total)

        yield update
