# SPDX-License-Identifier: Apache-2.0
"""SOAP: Adam in a slowly updated eigenbasis of each weight's gradients.

N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam" (2024), algorithm 3, with a
basis for each axis of a kernel: outputs, inputs, and its positions together. Not a
torch.optim.Optimizer: importing those takes longer than a hundred steps.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

_BETAS = (0.95, 0.95)
_BASIS_BETA = 0.95
_EPSILON = 1e-8
_LARGEST_BASIS = 512  # a longer axis stays as it is

State = dict[str, torch.Tensor]


class Soap:
    """Updates parameters by their gradients. `state` holds plain tensors, to be saved and loaded.

    Bases are updated every `refresh` steps, different parameters in different steps, so that no
    step is slow.
    """

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], *, decay: float = 1e-4, refresh: int = 10
    ) -> None:
        self._parameters = list(parameters)
        self._decay = decay
        self._refresh = refresh
        self.state: list[State] = [{} for _ in self._parameters]
        self.steps = 0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step at this learning rate; clears the gradients."""
        self.steps += 1
        for number, (parameter, state) in enumerate(zip(self._parameters, self.state, strict=True)):
            if parameter.grad is None:
                continue
            gradient = parameter.grad.reshape(*parameter.shape[:2], -1).to(torch.float32)
            parameter.grad = None
            if not state:
                _begin(state, gradient)
                continue  # the first gradient only sets the basis
            for axis in _axes(state):
                state[f"product.{axis}"].lerp_(_product(gradient, axis), 1 - _BASIS_BETA)
            if (self.steps + number) % self._refresh == 0:
                _turn(state)
            move = _adam(state, gradient, self.steps)
            parameter.mul_(1 - rate * self._decay)
            parameter.add_(move.reshape(parameter.shape), alpha=-rate)


def _axes(state: State) -> list[int]:
    return [axis for axis in range(3) if f"basis.{axis}" in state]


def _product(gradient: torch.Tensor, axis: int) -> torch.Tensor:
    flat = gradient.movedim(axis, 0).reshape(gradient.shape[axis], -1)
    return torch.mm(flat, flat.T)


def _turned(values: torch.Tensor, basis: torch.Tensor, axis: int) -> torch.Tensor:
    """Coordinates along an axis, in the basis whose vectors are the columns."""
    turned: torch.Tensor = torch.tensordot(values, basis, dims=([axis], [0]))
    return turned.movedim(-1, axis)


def _begin(state: State, gradient: torch.Tensor) -> None:
    """Mean and squares are kept in the basis."""
    state["mean"] = torch.zeros_like(gradient)
    state["square"] = torch.zeros_like(gradient)
    for axis, length in enumerate(gradient.shape):
        if 1 < length <= _LARGEST_BASIS:
            product = _product(gradient, axis)
            state[f"product.{axis}"] = product
            # A first gradient of low rank determines only a part of the basis.
            scale = product.diagonal().mean() + 1e-30
            ridge = torch.eye(length, device=product.device) * 1e-6
            state[f"basis.{axis}"] = torch.linalg.eigh(product / scale + ridge)[1].flip(1)


def _turn(state: State) -> None:
    """One power iteration; columns sorted by their share, moments along with them."""
    for axis in _axes(state):
        basis, product = state[f"basis.{axis}"], state[f"product.{axis}"]
        held = (basis * (product @ basis)).sum(0)
        order = torch.argsort(held, descending=True)
        state["square"] = state["square"].index_select(axis, order)
        fresh = torch.linalg.qr(product @ basis[:, order])[0]
        state["mean"] = _turned(state["mean"], basis.T @ fresh, axis)
        state[f"basis.{axis}"] = fresh


def _adam(state: State, gradient: torch.Tensor, steps: int) -> torch.Tensor:
    turned = gradient
    for axis in _axes(state):
        turned = _turned(turned, state[f"basis.{axis}"], axis)
    state["mean"].lerp_(turned, 1 - _BETAS[0])
    state["square"].lerp_(turned * turned, 1 - _BETAS[1])
    seen = steps - 1
    mean = state["mean"] / (1 - _BETAS[0] ** seen)
    square = state["square"] / (1 - _BETAS[1] ** seen)
    move = mean / (square.sqrt() + _EPSILON)
    for axis in _axes(state):
        move = _turned(move, state[f"basis.{axis}"].T, axis)
    return move
