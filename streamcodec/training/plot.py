# SPDX-License-Identifier: Apache-2.0
"""A run's log as a picture."""

from __future__ import annotations

import json
from pathlib import Path

from streamcodec.networks.conv.weights import KINDS
from streamcodec.training.conv import plot as networks
from streamcodec.training.data import DataError


def plot(folder: Path) -> Path:
    """Draw bits of every stack before and after, and the held-out figures; returns the PNG.

    For size M, draw the learning curve of each network.
    """
    log = folder / "log.jsonl"
    if not log.is_file():
        raise DataError(f"{log} does not exist: train first, then plot")
    import matplotlib as mpl  # noqa: PLC0415  (an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    runs = [folder / kind for kind in KINDS if (folder / kind / "log.jsonl").is_file()]
    if runs:  # size M
        return networks.plot(runs, folder / "training.png")
    stacks = [line for line in lines if line["event"] == "stack"]
    judged = [line for line in lines if line["event"] in ("begin", "end")]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    places = range(len(stacks))
    left.plot(places, [s["bits_before"] for s in stacks], "o", label="before")
    left.plot(places, [s["bits_after"] for s in stacks], ".", label="after")
    left.set(xlabel="stack, in order of fitting", ylabel="bits a row, held-out rows", yscale="log")
    left.legend()
    right.bar(range(len(judged)), [j["held_out_bytes"] for j in judged])
    right.set_xticks(
        range(len(judged)),
        [f"{j['event']}\n{j['held_out_psnr_y_db']:.2f} dB" for j in judged],
    )
    right.set(ylabel="bytes of the held-out files")
    figure.tight_layout()
    target = folder / "training.png"
    figure.savefig(target, dpi=120)
    plt.close(figure)
    return target
