# SPDX-License-Identifier: Apache-2.0
"""The shipped weights: found, checked, loaded."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import ModuleType

import safetensors
import safetensors.numpy

from streamcodec.correction import Networks
from streamcodec.errors import ModelError
from streamcodec.model import Model
from streamcodec.weights_check import MAX_FILE_BYTES, check_header

HIDDEN = {"S": 128, "M": 128}  # width of the prior of each size that is shipped
SIZES = tuple(HIDDEN)
# What the library raises for files that are no weights.
_DAMAGE = (
    safetensors.SafetensorError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
DEVICES = ("auto", "cpu", "cuda")


@lru_cache(maxsize=4)
def load(size: str = "S", path: Path | None = None) -> Model:
    """The model of a size, or of the safetensors file at `path`. Raises ModelError."""
    if size not in SIZES:
        raise ModelError(f"size is {size!r}, expected one of {', '.join(SIZES)}")
    if path is None:
        shipped = resources.files("streamcodec.weights") / f"{size.lower()}.safetensors"
        if not shipped.is_file():
            raise ModelError(
                f"no weights of size {size} are shipped: train some (hidden = {HIDDEN[size]}) and "
                "name the file with --weights"
            )
        data = shipped.read_bytes()
    else:
        try:
            data = _read(path)
        except OSError as error:
            raise ModelError(f"weights {path} cannot be read: {error.strerror}") from None
    check_header(data)
    try:
        arrays = safetensors.numpy.load(data)
    except _DAMAGE as error:
        raise ModelError(f"weights {path or size} are damaged: {error}") from None
    return Model.from_arrays(arrays)


def _read(path: Path) -> bytes:
    """The bytes of a file of a size that weights have. Raises ModelError and OSError."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"weights {path} have over {MAX_FILE_BYTES} bytes; is it the right file?")
    return data


def pick_device(device: str, *, networks: bool = False) -> str:
    """Turn "auto" into the device that a model runs on. Raises ModelError where it does not run.

    A model without networks in the path of the pixels (size S) runs on the processor, and torch is
    never imported for it. Decoder networks run where the device says.
    """
    if device not in DEVICES:
        raise ModelError(f"device is {device!r}, expected one of {', '.join(DEVICES)}")
    if not networks:
        if device == "cuda":
            raise ModelError(
                "device is 'cuda', but this model has no networks and runs on the processor: "
                "use --device cpu or auto, or --size M"
            )
        return "cpu"
    has_cuda = bool(_torch().cuda.is_available())
    if device == "auto":
        return "cuda" if has_cuda else "cpu"
    if device == "cuda" and not has_cuda:
        raise ModelError("device is 'cuda', but torch finds no CUDA device: use --device cpu")
    return device


def load_networks(model: Model, device: str) -> Networks:
    """A model's networks on a device, decoder networks exact there. Raises ModelError."""
    torch = _torch()
    from streamcodec.networks.conv import encoder, network  # noqa: PLC0415  (torch)

    key, inter = (
        None if weights is None else network.load(weights, torch.device(device))
        for weights in model.decoder_networks
    )
    own_key, own_inter = (
        encoder.from_arrays(model.encoder_arrays, kind, torch.device(device))
        for kind in ("key", "inter")
    )
    return Networks(key, inter, (own_key, own_inter))


def _torch() -> ModuleType:
    try:
        import torch  # noqa: PLC0415  (a second, and 200 MB)
    except ModuleNotFoundError:
        raise ModelError(
            "sizes with networks need torch: pip install 'streamcodec[networks]', or use size S"
        ) from None
    return torch
