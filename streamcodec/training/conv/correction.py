# SPDX-License-Identifier: Apache-2.0
"""Trains the decoder network on coded frames: `python -m streamcodec.training.conv.correction`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from streamcodec.networks.conv import inputs as seen
from streamcodec.networks.conv.shape import MAP_CHANNELS, Shape
from streamcodec.training.coded import shards
from streamcodec.training.conv import run
from streamcodec.training.conv.batches import Batch, Material
from streamcodec.training.conv.device_material import DeviceMaterial
from streamcodec.training.conv.judge import Verdict, planes_of, verdict
from streamcodec.training.conv.trainable import Trainable

_PLANE_WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
_LEAST_ERROR = 0.1  # squared grey levels: bounds the weight of very fine frames
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Plan(run.Plan):
    """Settings of a run. From `exact_from` on, weights and activations are rounded as shipped."""

    exact_from: int = 80_000
    body: int = 64
    blocks: int = 3
    renderer: int = 32


def _made(shape: Shape) -> Trainable:
    network = Trainable(shape)
    run.channels_last(network)
    return network


def corrected(network: Trainable, batch: Batch, exact: bool) -> torch.Tensor:
    """The network's correction of a batch, in steps."""
    fine = seen.at_quarter(batch.decoded, batch.predicted, batch.quality)
    maps = seen.maps(batch.counts, batch.modes, batch.splits)
    return torch.as_tensor(network(fine, maps, batch.quality, exact))


def loss_of(correction: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Change of the frames' squared error, relative to it, planes weighted as in PSNR 6:1:1.

    Zero without correction, negative for a gain. Relative, so frames of all qualities weigh alike.
    """
    total = torch.zeros(len(batch.quality), device=correction.device)
    mask = batch.acts().to(torch.float32)[:, None]
    for number, (source, decoded, change) in enumerate(
        zip(batch.source, batch.decoded, planes_of(correction, batch.quality), strict=True)
    ):
        side = 8 if number else 16
        m = mask.repeat_interleave(side, 2).repeat_interleave(side, 3)
        miss = (source - decoded).to(torch.float32)
        saved = (miss - change) ** 2 - miss**2
        share = (saved * m).mean((1, 2, 3)) / batch.errors[:, number].clamp(min=_LEAST_ERROR)
        total = total + _PLANE_WEIGHTS[number] * share
    return total


class Run(run.Run):
    """A training run in its folder."""

    plan: Plan
    network: Trainable

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        data: Path,
        *,
        refresh: bool = False,
        device: torch.device = _CPU,
    ) -> None:
        torch.manual_seed(plan.seed)
        shape = Shape(not plan.key, plan.body, plan.blocks, plan.renderer)
        super().__init__(folder, plan, _made(shape).to(device), device=device)
        found = shards(data)
        self.material = Material(found, key=plan.key, limits=[] if refresh else self.limits)
        self.limits = self.material.limits
        # On a device frames are kept in its memory, all of them.
        self._draw = (
            self.material.batch
            if device.type == "cpu"
            else DeviceMaterial(
                found, key=plan.key, least_blocks=plan.crop_blocks, device=device
            ).batch
        )

    def start_from(self, other: Path) -> None:
        """Copy weights of another run where names and shapes agree."""
        if other.suffix == ".safetensors":
            halves = safetensors.torch.load_file(other)
            kept = {name: values.float() for name, values in halves.items()}
        else:
            kept = torch.load(other / "state.pt", weights_only=False)["average"]
        own = self.network.state_dict()
        inputs = self.network.shape.inputs
        for name, value in kept.items():
            if own[name].shape == value.shape:
                own[name].copy_(value)
            elif name == "layers.enter.weight":  # of a keyframe's network: no prediction inputs
                own[name].zero_()
                known = value.shape[1] - MAP_CHANNELS
                own[name][:, :known] = value[:, :known]
                own[name][:, 4 * inputs :] = value[:, known:]
            elif name == "layers.first.weight":
                own[name].zero_()
                known = value.shape[1] - (own[name].shape[1] - inputs)
                own[name][:, :known] = value[:, :known]
                own[name][:, inputs:] = value[:, known:]
        self.average = {k: v.detach().clone() for k, v in own.items()}

    def one_step(self, rate_scale: float = 1.0) -> float:
        """Draw a batch, move the weights; returns the loss."""
        plan = self.plan
        rng = np.random.default_rng([plan.seed, self.step])
        batch = self._draw(rng, plan.crops, plan.crop_blocks)
        exact = self.step >= plan.exact_from
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            correction = corrected(self.network, batch, exact)
        loss = loss_of(correction, batch).mean()
        return self.moved(loss, rate_scale)

    def judged(self) -> dict[str, object]:
        """Gains of the averaged weights on held-out frames."""
        return summary(self.judge())

    def learned(self, losses: Sequence[float]) -> dict[str, object]:
        """PSNR gain on the last batches."""
        return {"gain_db": round(-10 * math.log10(1 + min(0.0, float(np.mean(losses)))), 4)}

    def judge(self) -> list[Verdict]:
        """Evaluate the averaged weights on held-out frames."""
        plan = self.plan
        judged = _made(self.network.shape)
        judged.load_state_dict({k: v.cpu() for k, v in self.average.items()})
        held = self.material.held
        # A regular stride would select one quality.
        order = np.random.default_rng(0).permutation(len(held))
        chosen = [held[n] for n in np.sort(order[: plan.judge_frames])]
        found = []
        with torch.no_grad():
            for shard, entry in chosen:
                batch = self.material.whole(shard, entry)
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    correction = corrected(judged, batch, self.step >= plan.exact_from)
                found.append(verdict(batch, correction))
        return found


def summary(found: list[Verdict]) -> dict[str, object]:
    """Means over all frames, and gated gains by quarter of the quality range."""

    def mean(values: list[float]) -> float | None:
        return round(float(np.mean(values)), 4) if values else None

    return {
        "frames": len(found),
        "ungated_db": mean([v.ungated_db for v in found]),
        "gated_db": mean([v.gated_db for v in found]),
        "gated_luma_db": mean([v.gated_luma_db for v in found]),
        "with_moved_db": mean([v.with_moved_db for v in found]),
        "by_quality": [mean([v.gated_db for v in found if v.quality // 16 == k]) for k in range(4)],
    }


def main() -> None:
    """Command line."""
    options = vars(run.parser("train the decoder network", Plan).parse_args())
    plan = run.planned(options, Plan)
    torch.set_num_threads(plan.threads)
    own = Run(options["run"], plan, options["data"], refresh=options["refresh"])
    if options["from_run"] and own.step == 0:
        own.start_from(options["from_run"])
    parameters = sum(p.numel() for p in own.network.parameters())
    own.log(
        event="begin",
        step=own.step,
        parameters=parameters,
        kmac_per_px=round(own.network.shape.multiplies_per_px() / 1000, 2),
        frames=len(own.material.train),
        held_out=len(own.material.held),
    )
    own.go(options["minutes"])


if __name__ == "__main__":
    main()
