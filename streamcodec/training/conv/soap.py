# SPDX-License-Identifier: Apache-2.0
"""SOAP: Adam in the slowly turning eigenbasis of each weight's gradients.

N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam" (2024), algorithm 3. A kernel
(out, in, height, width) is a matrix of `out` rows. Not a torch.optim.Optimizer: importing those
takes longer than a hundred steps.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

_BETAS = (0.95, 0.95)
_BASIS_BETA = 0.95
_EPSILON = 1e-8
_LARGEST_BASIS = 1024  # a longer side keeps its own axes


class Soap:
    """Moves parameters by their gradients. `state` is plain tensors, saved and loaded as they are.

    The bases turn every `refresh` steps, each parameter on its own turn, so that no step is long.
    """

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], *, decay: float = 1e-4, refresh: int = 20
    ) -> None:
        self._parameters = list(parameters)
        self._decay = decay
        self._refresh = refresh
        self.state: list[dict[str, torch.Tensor]] = [{} for _ in self._parameters]
        self.steps = 0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step at this learning rate; takes the gradients away."""
        self.steps += 1
        for number, (parameter, state) in enumerate(
            zip(self._parameters, self.state, strict=True)
        ):
            if parameter.grad is None:
                continue
            gradient = parameter.grad.reshape(parameter.shape[0], -1).to(torch.float32)
            parameter.grad = None
            if not state:
                _begin(state, gradient)
                continue  # its first gradient only tells where to look
            _learn_basis(state, gradient)
            if (self.steps + number) % self._refresh == 0:
                _turn(state)
            move = _adam(state, gradient, self.steps)
            parameter.mul_(1 - rate * self._decay)
            parameter.add_(move.reshape(parameter.shape), alpha=-rate)


def _begin(state: dict[str, torch.Tensor], gradient: torch.Tensor) -> None:
    state["mean"] = torch.zeros_like(gradient)
    state["square"] = torch.zeros_like(gradient)
    for side, matrix in (("left", gradient), ("right", gradient.T)):
        if 1 < matrix.shape[0] <= _LARGEST_BASIS:
            product = matrix @ matrix.T
            state[side] = product * (1 - _BASIS_BETA)
            # Of a first gradient of low rank any basis that holds it will do.
            scale = product.diagonal().mean() + 1e-30
            ridge = torch.eye(len(product), device=product.device) * 1e-6
            state[f"{side}_basis"] = torch.linalg.eigh(product / scale + ridge)[1].flip(1)


def _learn_basis(state: dict[str, torch.Tensor], gradient: torch.Tensor) -> None:
    for side, matrix in (("left", gradient), ("right", gradient.T)):
        if side in state:
            state[side].mul_(_BASIS_BETA).addmm_(matrix, matrix.T, alpha=1 - _BASIS_BETA)


def _turn(state: dict[str, torch.Tensor]) -> None:
    """One power iteration; columns sorted by how much they hold, second moments along with them."""
    for side, axis in (("left", 0), ("right", 1)):
        if side not in state:
            continue
        basis, product = state[f"{side}_basis"], state[side]
        held = torch.einsum("ji,jk,ki->i", basis, product, basis)
        order = torch.argsort(held, descending=True)
        state["square"] = state["square"].index_select(axis, order)
        state[f"{side}_basis"] = torch.linalg.qr(product @ basis[:, order])[0]


def _into(state: dict[str, torch.Tensor], matrix: torch.Tensor) -> torch.Tensor:
    if "left" in state:
        matrix = state["left_basis"].T @ matrix
    return matrix @ state["right_basis"] if "right" in state else matrix


def _out_of(state: dict[str, torch.Tensor], matrix: torch.Tensor) -> torch.Tensor:
    if "left" in state:
        matrix = state["left_basis"] @ matrix
    return matrix @ state["right_basis"].T if "right" in state else matrix


def _adam(state: dict[str, torch.Tensor], gradient: torch.Tensor, steps: int) -> torch.Tensor:
    state["mean"].lerp_(gradient, 1 - _BETAS[0])
    turned = _into(state, gradient)
    state["square"].lerp_(turned * turned, 1 - _BETAS[1])
    seen = steps - 1
    mean = _into(state, state["mean"]) / (1 - _BETAS[0] ** seen)
    square = state["square"] / (1 - _BETAS[1] ** seen)
    return _out_of(state, mean / (square.sqrt() + _EPSILON))
