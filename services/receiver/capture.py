# SPDX-License-Identifier: Apache-2.0
"""`Receiver`: a stream as a Python object, in the manner of cv2.VideoCapture."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from services.process.threads import Mailbox
from services.receiver.daemon import FrameMeta, ReceiverConfig, ReceiverDaemon, ShownFrame
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, CurveClient, CurveServer, Endpoint

if TYPE_CHECKING:
    from streamcodec.codec import Codec

_LOOK_S = 0.1


class Picture(np.ndarray[Any, np.dtype[np.uint8]]):
    """A (H, W, 3) uint8 BGR array that knows its frame: `picture.meta`."""

    meta: FrameMeta

    @classmethod
    def of(cls, shown: ShownFrame) -> Picture:
        """The picture of a shown frame; a new array that the caller owns."""
        picture = shown.frame.to_bgr().view(cls)
        picture.meta = shown.meta
        return picture


class Receiver:
    """Reads a stream: the newest frame, as BGR.

        with Receiver("tcp://127.0.0.1:5555") as stream:
            for picture in stream:
                cv2.imshow("stream", picture)

    It survives restarts of the sender: `read` then just finds nothing for a while. Iteration ends
    with the stream. `codec` defaults to the shipped weights of `size`; `auto` takes the size that
    the sender has. Raises ConfigError at
    once when the address cannot be used, and from `read` when the sender refused this receiver.
    """

    def __init__(
        self,
        url: str,
        *,
        bind: bool = False,
        stream: str = "",
        codec: Codec | None = None,
        size: str = "auto",
        device: str = "auto",
        buffer_ms: int = 0,
        keys: CurveServer | CurveClient | None = None,
        insecure: bool = False,
    ) -> None:
        others: list[Codec] = []
        if codec is None:
            from streamcodec.codec import Codec  # noqa: PLC0415  # torch only when it is needed
            from streamcodec.weights import alternatives  # noqa: PLC0415

            codec = Codec.load(size, device=device)
            others = [
                Codec.load(other, device=place)
                for other, place in alternatives(size, codec.size, device)
            ]
        self._newest: Mailbox[ShownFrame] = Mailbox()
        self._daemon = ReceiverDaemon(
            ReceiverConfig(
                Endpoint(
                    url,
                    bind=bind,
                    keys=keys,
                    insecure=insecure,
                    max_message_bytes=MAX_PACKET_MESSAGE_BYTES,
                ),
                stream=stream,
                name="python",
                buffer_us=buffer_ms * 1000,
            ),
            codec=codec,
            others=others,
        )
        self._daemon.on_frame(self._keep)
        self._open = True
        self._daemon.start()

    def _keep(self, shown: ShownFrame) -> None:
        self._newest.put(shown)

    @property
    def daemon(self) -> ReceiverDaemon:
        """The receiver underneath: statistics, sinks, keyframe requests."""
        return self._daemon

    @property
    def url(self) -> str:
        """The address in use."""
        return self._daemon.url

    def isOpened(self) -> bool:  # noqa: N802  # the name people know from cv2.VideoCapture
        """True until released, or the stream ended."""
        return self._open and not self._daemon.ended

    def read(self, timeout: float | None = None) -> tuple[bool, Picture | None]:
        """The newest frame not read yet; (False, None) when none came in `timeout` seconds.

        Without a timeout it waits until a frame comes, the stream ends or `release` is called.
        """
        waited_s = 0.0
        while self._open and (timeout is None or waited_s <= timeout):
            step_s = _LOOK_S if timeout is None else min(_LOOK_S, timeout - waited_s)
            shown = self._newest.take(max(step_s, 0.0))
            if shown is not None:
                return True, Picture.of(shown)
            self._daemon.check()
            if self._daemon.ended or step_s <= 0:
                break
            waited_s += step_s
        return False, None

    def __iter__(self) -> Iterator[Picture]:
        """Frames until the stream ends or `release` is called."""
        while self.isOpened():
            _, picture = self.read(_LOOK_S)
            if picture is not None:
                yield picture

    def release(self) -> None:
        """Leave the stream and free everything; may be called twice."""
        if self._open:
            self._open = False
            self._newest.close()
            self._daemon.stop()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
