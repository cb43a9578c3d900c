# SPDX-License-Identifier: Apache-2.0
"""Evaluates a model on held-out files, and writes the model card."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from streamcodec.correction import Networks
from streamcodec.encoder import FrameEncoder
from streamcodec.metrics import psnr_plane
from streamcodec.model import Model
from streamcodec.training import data
from streamcodec.training.config import TrainConfig

_QUALITIES = (22, 34, 46)
_MOST_FILES = 6


@dataclass(frozen=True, slots=True)
class Figures:
    """Over the held-out files at qualities 22, 34 and 46: bytes in all, and mean PSNR of luma."""

    held_out_bytes: int
    held_out_psnr_y_db: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def judge(
    model: Model,
    paths: Sequence[Path],
    config: TrainConfig,
    networks: Networks | None = None,
) -> Figures:
    """Code the first frames of the held-out files; the same crops for every model."""
    spent = 0
    quality_db = []
    for number, path in enumerate(paths[:_MOST_FILES]):
        rng = np.random.default_rng([config.seed, 99, number])
        frames = data.chain(path, frames=2, crop_px=min(config.crop_px, 256), rng=rng)
        for quality in _QUALITIES:
            reference = None
            for frame in frames:
                encoder = FrameEncoder(model, frame, reference, networks=networks)
                attempt = encoder.at(quality)
                reference = encoder.reference_after(attempt)
                spent += len(attempt.packet)
                quality_db.append(psnr_plane(frame.y, reference.frame.y))
    return Figures(spent, round(float(np.mean(quality_db)), 3))


def write(  # noqa: PLR0917  (one argument for each part of the card)
    config: TrainConfig,
    files: data.Files,
    digest: str,
    before: Figures,
    after: Figures,
    skipped_steps: int,
    seconds: float,
    learned: str = "the prior, the tables, the starting contexts and the loop filter",
) -> str:
    """The model card in Markdown; `learned` names the parts that this run trained."""
    change = 100 * (after.held_out_bytes / max(before.held_out_bytes, 1) - 1)
    return f"""# Model {digest}

| | |
| --- | --- |
| made of | {len(files.train)} files below {", ".join(Path(d).name for d in config.data)} |
| licence of the data | {config.licence} |
| start | {config.start if config.start in ("shipped", "untrained") else Path(config.start).name} |
| rounds, passes, steps, batch | {config.rounds}, {config.passes}, {config.steps}, {config.batch} |
| minutes allowed | {config.minutes or "no limit"} |
| last run, seconds | {seconds:.0f} |
| steps skipped as not finite | {skipped_steps} |
| machine | {platform.machine()}, {platform.system()} |
| seed | {config.seed} |

Held-out files ({min(len(files.held_out), _MOST_FILES)}), two frames each at qualities 22, 34, 46:

| | bytes | PSNR of luma |
| --- | --- | --- |
| before | {before.held_out_bytes} | {before.held_out_psnr_y_db:.2f} dB |
| after | {after.held_out_bytes} ({change:+.1f}%) | {after.held_out_psnr_y_db:.2f} dB |

Learned: {learned}. Transforms and prediction
are classical.
"""
