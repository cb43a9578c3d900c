# SPDX-License-Identifier: Apache-2.0
"""Draws inputs, feature maps and correction of size M's decoder network for a frame.

    python -m benchmarks.feature_maps --source clip.mp4 --out feature-maps.png

The frame is an inter frame of a stream of size M: the source, its prediction, the corrected
picture, the correction as scaled by the areas' levels, and feature maps of the network's body.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from services.errors import SourceError
from services.media.files.reader import open_material
from services.media.scene import Scene
from streamcodec import _core
from streamcodec.analysis import padded
from streamcodec.blocks import transform
from streamcodec.codec import Codec
from streamcodec.correction import Stage
from streamcodec.decoder import empty_planes
from streamcodec.encoder import FrameEncoder
from streamcodec.errors import ModelError
from streamcodec.frame import Frame, Reference
from streamcodec.metrics import psnr611
from streamcodec.networks.conv.correct import BlockMaps, correction_of
from streamcodec.networks.conv.executions import Execution
from streamcodec.networks.conv.network import ExecutedNetwork
from streamcodec.networks.conv.network import load as load_network
from streamcodec.passes import INTRA16
from streamcodec.state import Planes, state_of

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

MAPS = 8
_SCENE_SIZE = (640, 360)
_ALIKE = 0.7  # correlation above which two maps count as equal


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The network's effect on one frame. Planes have sides of multiples of 16.

    `correction` is that of luma, in grey levels; `levels` (areas down, areas across) is 0 to 2 of
    luma; `maps` (channels, H/8, W/8) are the body's last activations, 0 to 127.
    """

    source: Planes
    predicted: Planes
    plain: Planes
    corrected: Planes
    correction: F32
    levels: U8
    maps: F32


class _Watched:
    """A layer that keeps its last output."""

    def __init__(self, layer: Execution) -> None:
        self._layer = layer
        self.given: torch.Tensor | None = None

    def __call__(
        self, x: torch.Tensor, quality: int, skip: torch.Tensor | None = None
    ) -> torch.Tensor:
        self.given = self._layer(x, quality, skip)
        return self.given


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--source", default="scene", help="a video or folder, or scene")
    parser.add_argument("--frame", type=int, default=4, help="which frame, 1 or later")
    parser.add_argument("--quality", type=int, default=22, help="0 coarsest to 63 finest")
    parser.add_argument("--out", type=Path, required=True, help="a PNG file")
    options = parser.parse_args(arguments)
    if options.frame < 1 or not 0 <= options.quality < 64:
        parser.error("--frame is 1 or later (frame 0 is a keyframe), --quality 0 to 63")
    torch.set_num_threads(1)  # small layers: more threads only wait for each other
    try:
        frames = list(islice(_frames(options.source), options.frame + 1))
        codec = Codec.load("M", device="cpu")
    except (SourceError, ModelError) as error:
        parser.error(str(error))
    if len(frames) <= options.frame:
        parser.error(f"{options.source} has {len(frames)} frames, asked for frame {options.frame}")
    weights = codec.model.decoder_networks[1]
    assert weights is not None
    # In torch, whose layers can be observed.
    network = load_network(weights, torch.device("cpu"))
    look = look_at(codec, network, frames, options.quality)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    drawn(look, options.out)
    source, before, after = (Frame(*p) for p in (look.source, look.plain, look.corrected))
    print(
        f"frame {options.frame} at quality {options.quality}: PSNR 6:1:1 "
        f"{psnr611(source, before):.2f} dB before the network, {psnr611(source, after):.2f} dB "
        f"after; {np.count_nonzero(look.levels)} of {look.levels.size} areas corrected"
    )
    return 0


def look_at(codec: Codec, network: ExecutedNetwork, frames: Sequence[Frame], quality: int) -> Look:
    """Code frames as a stream of one quality; the network's effect on the last one."""
    reference: Reference | None = None
    for frame in frames[:-1]:
        reference = codec.encode(frame, reference, quality=quality).reference
    assert reference is not None
    # The network comes last and changes no decision: without it, this is its input.
    attempt = FrameEncoder(codec.model, frames[-1], reference).at(quality)
    blocks, plain = attempt.blocks, attempt.planes
    predicted = empty_planes(blocks.rows, blocks.columns)
    _core.predict(state_of(reference).planes, blocks, predicted, None)
    source = padded(frames[-1].planes)
    steps_q3 = transform.plane_steps_q3(quality)
    levels, corrected = Stage(network, quality, blocks, predicted).choose(source, plain, steps_q3)
    told = BlockMaps(blocks.counts, blocks.modes, blocks.splits)
    maps, added = _maps(network, plain, predicted, told, quality)
    by_sample = _spread(levels[0], 64, plain[0].shape)
    vectors = blocks.field.reshape(blocks.rows, 2, blocks.columns, 2, 2)
    acts = (blocks.counts > 0) | (blocks.modes >= INTRA16) | vectors.any(axis=(1, 3, 4))
    acting = _spread(acts, 16, plain[0].shape)
    correction = added / np.float32(16) * (by_sample / np.float32(2)) * acting
    return Look(source, predicted, plain, corrected, correction, levels[0], maps)


def chosen(maps: F32, count: int = MAPS) -> list[int]:
    """The channels with most variation, without near copies of others."""
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat.std(1), kind="stable")
    centred = flat - flat.mean(1, keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    found: list[int] = []
    for channel in order:
        alike = np.abs(unit[found] @ unit[channel]).max(initial=0)
        if alike < _ALIKE:
            found.append(int(channel))
        if len(found) == count:
            return found
    return (found + [int(c) for c in order if int(c) not in found])[:count]


def drawn(look: Look, out: Path) -> None:
    """Three rows of four panels."""
    import matplotlib as mpl  # noqa: PLC0415  (an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    height, width = look.source[0].shape
    figure, axes = plt.subplots(
        3, 4, figsize=(14, 3 * (3.3 * height / width + 0.3)), layout="constrained", dpi=78
    )
    most = max(1.0, float(np.quantile(np.abs(look.correction), 0.998)))
    pictures = (("source", look.source), ("prediction", look.predicted))
    for panel, (title, planes) in zip(axes[0], pictures, strict=False):
        _show(panel, Frame(*planes).to_rgb(), title)
    _show(axes[0][2], Frame(*look.corrected).to_rgb(), "decoded, corrected")
    shown = _show(
        axes[0][3],
        look.correction,
        "correction of luma, by level of area",
        cmap="RdBu_r",
        vmin=-most,
        vmax=most,
    )
    bar = figure.colorbar(shown, ax=axes[0][3], location="right", pad=0.01, aspect=14)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("grey levels", fontsize=7)
    for panel, channel in zip(axes[1:].ravel(), chosen(look.maps), strict=True):
        own = look.maps[channel]
        top = max(1.0, float(np.quantile(own, 0.995)))
        _show(panel, own, f"body, channel {channel}", cmap="magma", vmin=0, vmax=top)
    figure.savefig(out, pil_kwargs={"optimize": True})
    plt.close(figure)


def _show(panel: Any, values: npt.NDArray[Any], title: str, **how: Any) -> Any:
    panel.set_title(title, fontsize=10)
    panel.set_axis_off()
    sharp = "antialiased" if values.ndim == 3 else "nearest"
    return panel.imshow(values, interpolation=sharp, aspect="equal", **how)


def _maps(
    network: ExecutedNetwork, planes: Planes, predicted: Planes, blocks: BlockMaps, quality: int
) -> tuple[F32, npt.NDArray[np.int16]]:
    """The body's last activations, and luma's correction in 1/16 grey level."""
    name = f"body.{network.weights.shape.blocks - 1}.b"
    own = network.layers[name]
    watched = _Watched(own)
    layers: dict[str, Any] = network.layers
    layers[name] = watched
    try:
        found = correction_of(network, planes, predicted, blocks, quality)
    finally:
        layers[name] = own
    assert watched.given is not None
    return watched.given[0].cpu().numpy().astype(np.float32), found[0]


def _spread(values: npt.NDArray[Any], side: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    whole = np.repeat(np.repeat(values, side, 0), side, 1)
    return np.asarray(whole[: shape[0], : shape[1]])


def _frames(source: str) -> Iterator[Frame]:
    if source == "scene":
        scene = Scene(*_SCENE_SIZE)
        number = 0
        while True:
            yield scene.frame(number)
            number += 1
    for timed in open_material(Path(source)).frames:
        yield timed.frame


if __name__ == "__main__":
    sys.exit(main())
