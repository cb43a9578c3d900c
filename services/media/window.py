# SPDX-License-Identifier: Apache-2.0
"""A window for live pictures, drawn by SDL (docs/decisions/0001-window.md)."""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING

from services.errors import SinkError
from streamcodec.frame import Frame

if TYPE_CHECKING:
    from pygame import Surface

_HEADLESS_DRIVERS = ("dummy", "offscreen", "evdev", "kmsdrm")


class WindowSink:
    """Shows frames in a window that can be resized; Esc, q or the close button end it.

    The window takes the size of the first frame, and of a later one that is larger or of another
    shape; a smaller one of the same shape, as a thin link may bring, is scaled up.

    The window opens with the first frame, on the thread that calls `write`, and belongs to that
    thread. Raises SinkError where no display can be reached, and from `write` once it was closed
    by the viewer.
    """

    every_frame = False

    def __init__(self, *, title: str = "streamcodec") -> None:
        self._title = title
        self._pygame: ModuleType | None = None
        self._size = (0, 0)
        self._closed = False

    @property
    def closed(self) -> bool:
        """True once the viewer closed the window."""
        return self._closed

    def write(self, frame: Frame, *, shown_us: int = 0, packet: bytes | None = None) -> None:
        """Show a frame now. `shown_us` and `packet` are for other sinks."""
        if self._closed:
            raise SinkError("the window was closed")
        game = self._pygame or self._open(frame)
        self._pump(game)
        if self._closed:
            raise SinkError("the window was closed")
        size = (frame.width, frame.height)
        if not _same_but_smaller(size, self._size):
            game.display.set_mode(size, game.RESIZABLE)
            self._size = size
        picture = game.image.frombuffer(frame.to_bgr().tobytes(), size, "BGR")
        screen = game.display.get_surface()
        if screen.get_size() == size:
            screen.blit(picture, (0, 0))
        else:
            self._letterbox(game, picture, screen)
        game.display.flip()

    def close(self) -> None:
        """Close the window; safe to call twice."""
        self._closed = True
        if self._pygame is not None:
            self._pygame.display.quit()
            self._pygame = None

    def _open(self, frame: Frame) -> ModuleType:
        check_display()
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame  # noqa: PLC0415  (only a window needs it)

        try:
            pygame.display.init()
            self._size = (frame.width, frame.height)
            pygame.display.set_mode(self._size, pygame.RESIZABLE)
        except pygame.error as error:
            raise SinkError(f"no window can be opened ({error}): try --view none") from None
        pygame.display.set_caption(self._title)
        self._pygame = pygame
        return pygame

    def _pump(self, game: ModuleType) -> None:
        for event in game.event.get():
            pressed = event.type == game.KEYDOWN and event.key in (game.K_ESCAPE, game.K_q)
            if event.type == game.QUIT or pressed:
                self._closed = True

    @staticmethod
    def _letterbox(game: ModuleType, picture: Surface, screen: Surface) -> None:
        """Scale the picture into a resized window, its shape kept, black around it."""
        width, height = screen.get_size()
        source_width, source_height = picture.get_size()
        scale = min(width / source_width, height / source_height)
        size = (max(1, int(source_width * scale)), max(1, int(source_height * scale)))
        screen.fill(0)
        place = ((width - size[0]) // 2, (height - size[1]) // 2)
        screen.blit(game.transform.smoothscale(picture, size), place)


def _same_but_smaller(size: tuple[int, int], whole: tuple[int, int]) -> bool:
    """Whether a picture fits this size as it is, or scaled up: sides are rounded to even ones."""
    (width, height), (whole_width, whole_height) = size, whole
    skew_px = abs(width * whole_height - height * whole_width) / max(1, whole_width)
    return size == whole or (width <= whole_width and height <= whole_height and skew_px <= 2)


def check_display() -> None:
    """Raise SinkError where this session has no display to open a window on."""
    if os.environ.get("SDL_VIDEODRIVER") in _HEADLESS_DRIVERS:
        return  # tests ask for these by name
    if os.name == "posix" and os.uname().sysname == "Linux" and not has_display():
        raise SinkError("no display: DISPLAY and WAYLAND_DISPLAY are unset, so no window can open")


def has_display() -> bool:
    """Whether the environment names a display server."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
