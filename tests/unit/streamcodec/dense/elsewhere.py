# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a GPU: a fake device whose tensors hold real values.

Within `Elsewhere()` tensors made for or moved to torch's "meta" device are kept on the processor
inside a wrapper that says it lies on "meta". An operation that meets a plain tensor beside one of
these raises, as a GPU would; numbers (tensors without dimensions) may come from the host, as there.
Reading a wrapped tensor's values without moving it back raises, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DEVICE = torch.device("meta")


class Moved(torch.Tensor):
    """A tensor on the stand-in device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Moved:
        made: Moved = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(
        cls,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return _run(function, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """Provides the device; `ups` and `downs` count copies, `operations` what ran on it."""

    def __init__(self) -> None:
        super().__init__()
        self.ups = self.downs = self.operations = 0

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        before = _where(args, kwargs)
        found = _run(function, args, kwargs)
        after = isinstance(found, Moved)
        if before and not after and isinstance(found, torch.Tensor):
            self.downs += 1
        elif after and not before:
            self.ups += 1
        elif after:
            self.operations += 1
        return found


def _where(args: Any, kwargs: Any) -> bool:
    """Whether any tensor is on the device."""
    found = False

    def look(value: Any) -> Any:
        nonlocal found
        found = found or isinstance(value, Moved)
        return value

    tree_map(look, (args, kwargs))
    return found


def _run(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    wanted = kwargs.get("device")
    there = _where(args, kwargs)
    if there:
        _check(function, args, kwargs)
    if wanted is not None:
        there = torch.device(wanted) == DEVICE
        kwargs = kwargs | {"device": torch.device("cpu")}
    plain_args, plain_kwargs = tree_map(
        lambda value: value.held if isinstance(value, Moved) else value, (args, kwargs)
    )
    found = function(*plain_args, **plain_kwargs)
    if not there:
        return found
    # Operations in place return their argument itself.
    kept = {id(a.held): a for a in _tensors(args, kwargs)}

    def wrapped(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return kept[id(value)] if id(value) in kept else Moved(value)

    return tree_map(wrapped, found)


def _tensors(args: Any, kwargs: Any) -> list[Moved]:
    found: list[Moved] = []

    def look(value: Any) -> Any:
        if isinstance(value, Moved):
            found.append(value)
        return value

    tree_map(look, (args, kwargs))
    return found


def _check(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    name = str(function)
    if "_local_scalar_dense" in name:
        raise RuntimeError(f"{name} reads a value on the device, which waits for it")

    def look(value: Any) -> Any:
        alien = isinstance(value, torch.Tensor) and not isinstance(value, Moved)
        if alien and value.dim() and "_to_copy" not in name and "copy_" not in name:
            raise RuntimeError(f"{name} mixes tensors of two devices")
        return value

    tree_map(look, (args, kwargs))
