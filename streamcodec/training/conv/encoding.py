# SPDX-License-Identifier: Apache-2.0
"""Trains the encoder network against a decoder network: `python -m ...conv.encoding`.

Without a decoder network the levels that are cheapest for the source are best. With one, a slightly
costlier level may leave a picture that the decoder network corrects better. A training step:

    source - prediction -> transform -> levels by their true prices, and close alternatives
      -> some of these moved half-way to the other level -> dequantise -> inverse transform
      -> picture -> frozen decoder network, gated by area
      -> gradient: by how many bits the network lowers or raises the cost of each move
      -> target: what to add to the coefficient so that the encoder takes that into account

The network learns to add the target, with only the source and its prediction as inputs. (A gradient
at the chosen levels fails: errors are squares, and levels are a whole step apart.) Prices are those
of the tables that coded the frame. Not modelled: deblocking, the loop filter, and changes of the
prior's tables and of intra predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec import quantise
from streamcodec import weights as files
from streamcodec.model import Model
from streamcodec.networks.conv import encoder as encoders
from streamcodec.networks.conv import inputs as seen
from streamcodec.training.coded import shards
from streamcodec.training.conv import frozen, levels, run, transforms
from streamcodec.training.conv.judge import AREA_BLOCKS, LEVELS, planes_of
from streamcodec.training.conv.priced_batches import Planes, PricedBatch, PricedMaterial
from streamcodec.training.conv.trainable import Trainable

_SIDE_BITS = 1.5  # rough side information of a block
_MOVED = 0.25  # share of the close alternatives that a step tries
_COMPARED_EVERY = 4  # steps between measurements of the bits saved, for the log
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Plan(run.Plan):
    """Settings of a run, and the size of its network."""

    channels: int = encoders.SMALL.channels
    depth: int = encoders.SMALL.blocks
    weights: str = ""  # of size M, whose decoder network it is trained against; "": the shipped


class Outcome:
    """Cost of coding a batch, with or without samples added to its source."""

    def __init__(self, model: Model, decoder: Trainable | None) -> None:
        self._prices = levels.price_table(model.costs_q8)
        self._decoder = decoder

    def plain(self, batch: PricedBatch) -> levels.Levels:
        """Levels without anything added."""
        return self._levels(batch, self._coefficients(batch))

    @torch.no_grad()
    def cost(self, batch: PricedBatch, before: levels.Levels, added: Planes | None) -> torch.Tensor:
        """(n,) bits + squared error / lambda; `before` is what `plain` returned."""
        found = before
        if added is not None:
            own = self._coefficients(batch) + transforms.forward(added, batch.splits)
            found = self._levels(batch, own)
        picture = _picture(batch, found.levels)
        return found.bits + _error_bits(batch, self._corrected(batch, picture, found.groups()))

    def wanted(
        self, batch: PricedBatch, before: levels.Levels, moves: torch.Tensor
    ) -> torch.Tensor:
        """Target of the network: what to add to coefficients, in steps, where `moves` is 1.

        Adding a changes the cost of a move to the next level by -2 a, so a follows from how the
        decoder network changes the cost of the move.
        """
        half = (before.levels + 0.5 * before.towards * moves).requires_grad_()
        picture = _picture(batch, half)
        corrected = self._corrected(batch, picture, before.groups())
        more = _error_bits(batch, corrected) - _error_bits(batch, picture)
        (gradient,) = torch.autograd.grad(more.sum(), half)
        return -0.5 * _mu(batch) * gradient * moves

    @staticmethod
    def _coefficients(batch: PricedBatch) -> torch.Tensor:
        y, u, v = (a - b for a, b in zip(batch.source, batch.base, strict=True))
        return transforms.forward((y, u, v), batch.splits)

    def _levels(self, batch: PricedBatch, coefficients: torch.Tensor) -> levels.Levels:
        return levels.chosen(
            coefficients,
            batch.quality,
            tables=batch.tables,
            most=batch.most,
            counts=batch.counts,
            prices=self._prices,
            mu=_mu(batch),
        )

    def _corrected(self, batch: PricedBatch, picture: Planes, counts: torch.Tensor) -> Planes:
        if self._decoder is None:
            return picture
        fine = frozen.inputs(picture, batch.predicted, batch.quality)
        maps = seen.maps(counts, batch.modes, batch.splits)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            raw = self._decoder(fine, maps, batch.quality)
        acts = (counts > 0) | (batch.modes >= 2) | (batch.moves > 0)
        found = []
        for number, (source, plane, change) in enumerate(
            zip(batch.source, picture, planes_of(raw, batch.quality), strict=True)
        ):
            side = 8 if number else 16
            mask = acts[:, None].repeat_interleave(side, 2).repeat_interleave(side, 3)
            own = change * mask
            found.append(plane + own * _gates(source, plane, own, side * AREA_BLOCKS))
        return found[0], found[1], found[2]


@torch.no_grad()
def _gates(
    source: torch.Tensor, plane: torch.Tensor, change: torch.Tensor, side: int
) -> torch.Tensor:
    """The level of each area with the least error, repeated for each sample."""
    errors = torch.stack(
        [
            F.avg_pool2d((source - plane - share * change) ** 2, side, ceil_mode=True)
            for share in LEVELS
        ]
    )
    gates = torch.tensor(LEVELS)[errors.argmin(0)]
    height, width = plane.shape[2:]
    return gates.repeat_interleave(side, 2).repeat_interleave(side, 3)[:, :, :height, :width]


def _picture(batch: PricedBatch, chosen: torch.Tensor) -> Planes:
    """The picture rebuilt from levels."""
    residual = transforms.inverse(levels.dequantised(chosen, batch.quality), batch.splits)
    y, u, v = ((a + b).clamp(0, 255) for a, b in zip(batch.base, residual, strict=True))
    return y, u, v


def _error_bits(batch: PricedBatch, picture: Planes) -> torch.Tensor:
    """(n,) squared error against the source in units of lambda."""
    total = torch.zeros(len(batch.quality))
    steps = levels.plane_steps(batch.quality)
    for number, (source, plane) in enumerate(zip(batch.source, picture, strict=True)):
        lambda_ = _mu(batch) * steps[:, min(number, 1)] ** 2
        total = total + ((source - plane) ** 2).sum((1, 2, 3)) / lambda_
    return total


def _detached(planes: Planes) -> Planes:
    y, u, v = (plane.detach() for plane in planes)
    return y, u, v


def _mu(batch: PricedBatch) -> float:
    return quantise.KEY_MU if batch.key else quantise.MU


def added_by(network: encoders.EncoderNetwork, batch: PricedBatch) -> Planes:
    """What the network adds to a batch's source."""
    predicted = batch.predicted
    if predicted is None:
        y, u, v = (torch.full_like(plane, 128) for plane in batch.source)
        predicted = y, u, v
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, u, v = network(batch.source, predicted, batch.quality)
    return y, u, v


class Run(run.Run):
    """A training run in its folder."""

    plan: Plan
    network: encoders.EncoderNetwork

    def __init__(self, folder: Path, plan: Plan, data: Path, *, refresh: bool = False) -> None:
        torch.manual_seed(plan.seed)
        network = encoders.EncoderNetwork(encoders.EncoderShape(plan.channels, plan.depth))
        run.channels_last(network)
        super().__init__(folder, plan, network, device=_CPU)
        self.material = PricedMaterial(
            shards(data), key=plan.key, limits=() if refresh else self.limits
        )
        self.limits = self.material.limits
        model = files.load("M", Path(plan.weights) if plan.weights else None)
        own = model.decoder_networks[0 if plan.key else 1]
        self._saved: list[float] = []
        self._outcome = Outcome(model, None if own is None else frozen.frozen(own))

    def start_from(self, other: Path) -> None:
        """Copy another run's averaged weights."""
        kept = torch.load(other / "state.pt", weights_only=False)["average"]
        self.network.load_state_dict(kept)
        self.average = {k: v.detach().clone() for k, v in kept.items()}

    def one_step(self, rate_scale: float = 1.0) -> float:
        """Draw a batch, update the weights; returns the loss: the target's error, by bits spent."""
        plan = self.plan
        rng = np.random.default_rng([plan.seed, self.step])
        batch = self.material.batch(rng, plan.crops, plan.crop_blocks)
        before = self._outcome.plain(batch)
        spent = _spent(batch, before)
        draws = torch.from_numpy(rng.random(before.closeness.shape, np.float32))
        moves = (draws < _MOVED * before.closeness).float()
        wanted = self._outcome.wanted(batch, before, moves)
        added = added_by(self.network, batch)
        own = transforms.forward(added, batch.splits) / levels.steps_of(batch.quality)
        # The larger a coefficient's error, the more often the encoder takes a wrong level.
        missed = ((own - wanted) ** 2 - wanted**2) * moves
        if self.step % _COMPARED_EVERY == 0:
            plainly = self._outcome.cost(batch, before, None)
            truly = self._outcome.cost(batch, before, _detached(added))
            self._saved.append(float(((plainly - truly) / spent).mean()))
        loss = missed.sum((1, 2, 3)) / (_MOVED * _mu(batch) * spent)
        return self.moved(loss.mean(), rate_scale)

    def learned(self, losses: Sequence[float]) -> dict[str, object]:
        """Bits saved on some of the last batches, and the loss."""
        saved = round(100 * float(np.mean(self._saved)), 4) if self._saved else None
        self._saved.clear()
        return {"saved_percent": saved, "missed": round(float(np.mean(losses)), 6)}

    def judge(self) -> list[tuple[int, float]]:
        """Quality, and percent of bits saved at equal cost, of each held-out frame."""
        plan = self.plan
        judged = encoders.EncoderNetwork(self.network.shape)
        judged.load_state_dict(self.average)
        held = self.material.held
        order = np.random.default_rng(0).permutation(len(held))
        found = []
        with torch.no_grad():
            for shard, entry in (held[n] for n in np.sort(order[: plan.judge_frames])):
                batch = self.material.whole(shard, entry)
                before = self._outcome.plain(batch)
                plainly = self._outcome.cost(batch, before, None)
                cost = self._outcome.cost(batch, before, added_by(judged, batch))
                saved = (plainly - cost) / _spent(batch, before)
                found.append((entry.quality, 100 * float(saved)))
        return found

    def judged(self) -> dict[str, object]:
        """Means over held-out frames, and by quarter of the quality range."""
        found = self.judge()

        def mean(values: Sequence[float]) -> float | None:
            return round(float(np.mean(values)), 4) if values else None

        return {
            "frames": len(found),
            "saved_percent": mean([saved for _, saved in found]),
            "by_quality": [mean([s for q, s in found if q // 16 == k]) for k in range(4)],
        }


def _spent(batch: PricedBatch, before: levels.Levels) -> torch.Tensor:
    return before.bits + _SIDE_BITS * batch.counts[0].numel()


def main() -> None:
    """Command line."""
    options = vars(run.parser("train the encoder network", Plan).parse_args())
    plan = run.planned(options, Plan)
    torch.set_num_threads(plan.threads)
    own = Run(options["run"], plan, options["data"], refresh=options["refresh"])
    if options["from_run"] and own.step == 0:
        own.start_from(options["from_run"])
    own.log(
        event="begin",
        step=own.step,
        parameters=sum(p.numel() for p in own.network.parameters()),
        kmac_per_px=round(own.network.shape.multiplies_per_px / 1000, 2),
        frames=len(own.material.train),
        held_out=len(own.material.held),
    )
    own.go(options["minutes"])


if __name__ == "__main__":
    main()
