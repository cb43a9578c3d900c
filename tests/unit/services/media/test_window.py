# SPDX-License-Identifier: Apache-2.0
"""The window, on a display that is not there."""

from __future__ import annotations

import numpy as np
import pytest

from services.errors import SinkError
from services.media.window import WindowSink, check_display, has_display
from streamcodec.frame import Frame


@pytest.fixture
def pygame(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return pytest.importorskip("pygame")


def picture(width: int = 64, height: int = 48) -> Frame:
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[..., 2] = 200  # red
    return Frame.from_bgr(bgr)


def test_the_window_shows_the_picture_in_its_colours(pygame: object) -> None:
    window = WindowSink()
    window.write(picture(), shown_us=0)
    surface = pygame.display.get_surface()  # type: ignore[attr-defined]  # the module
    red, green, blue, _ = surface.get_at((30, 20))
    assert surface.get_size() == (64, 48)
    assert red > 180
    assert max(green, blue) < 30
    window.close()


def test_the_window_follows_a_new_size(pygame: object) -> None:
    window = WindowSink()
    window.write(picture(), shown_us=0)
    window.write(picture(96, 80), shown_us=0)
    assert pygame.display.get_surface().get_size() == (96, 80)  # type: ignore[attr-defined]
    window.close()


def test_a_smaller_picture_of_the_same_shape_is_scaled_up(pygame: object) -> None:
    window = WindowSink()
    window.write(picture(128, 96), shown_us=0)
    window.write(picture(96, 72), shown_us=0)
    surface = pygame.display.get_surface()  # type: ignore[attr-defined]  # the module
    assert surface.get_size() == (128, 96)
    assert surface.get_at((126, 94))[0] > 180  # red up to the corner
    window.write(picture(160, 120), shown_us=0)
    assert pygame.display.get_surface().get_size() == (160, 120)  # type: ignore[attr-defined]
    window.close()


@pytest.mark.parametrize("key", ["K_q", "K_ESCAPE"])
def test_a_key_closes_the_window_and_ends_writing(pygame: object, key: str) -> None:
    window = WindowSink()
    window.write(picture(), shown_us=0)
    game = pygame
    game.event.post(game.event.Event(game.KEYDOWN, key=getattr(game, key)))  # type: ignore[attr-defined]
    with pytest.raises(SinkError, match="closed"):
        window.write(picture(), shown_us=0)
    assert window.closed
    window.close()


def test_closing_twice_is_fine(pygame: object) -> None:
    window = WindowSink()
    window.write(picture(), shown_us=0)
    window.close()
    window.close()


def test_without_a_display_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert not has_display()
    with pytest.raises(SinkError, match="no display"):
        check_display()
    with pytest.raises(SinkError, match="no display"):
        WindowSink().write(picture(), shown_us=0)
