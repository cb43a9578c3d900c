# SPDX-License-Identifier: Apache-2.0
"""Who may open the page, and what is beside it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from services.errors import ConfigError
from services.media.sinks.latest_picture import LatestPicture
from services.settings.config import Settings, WebSettings
from services.view.opening import open_page
from tests.integration.shown_page import showing
from tests.integration.test_stream import wait_for

pytestmark = pytest.mark.live


def get(url: str, path: str = "", **headers: str) -> tuple[int, str]:
    """Status and text of a page."""

    async def run() -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url + path, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, (await answer.read()).decode(errors="replace")

    return asyncio.run(run())


def test_metrics_and_health_are_beside_the_page(tmp_path: Path) -> None:
    with showing(tmp_path) as show:
        wait_for(lambda: show.receiver.snapshot().frames_displayed > 3)
        assert get(show.page.url, "healthz")[0] == 200
        assert get(show.page.url, "readyz") == (200, "frames flow\n")
        assert "streamcodec_frames_displayed_total" in get(show.page.url, "metrics")[1]
        status, text = get(show.page.url, "snapshot.png")
        assert status == 200
        assert "PNG" in text


def test_other_names_and_other_sites_are_refused(tmp_path: Path) -> None:
    with showing(tmp_path) as show:
        assert get(show.page.url)[0] == 200
        assert get(show.page.url, Host="evil.example")[0] == 403
        assert get(show.page.url, "live", Origin="http://evil.example")[0] == 403


def test_with_a_token_nothing_is_shown_without_it(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("a-long-enough-token\n")
    secret.chmod(0o600)
    with showing(tmp_path, token_file=str(secret)) as show:
        for path in ("", "page.js", "live", "snapshot.png", "metrics"):
            assert get(show.page.url, path)[0] == 401
        assert get(show.page.url, "?token=wrong-wrong-wrong-wrong")[0] == 401
        assert get(show.page.url, "?token=a-long-enough-token")[0] == 302
        assert get(show.page.url, Authorization="Bearer a-long-enough-token")[0] == 200


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    with showing(tmp_path) as show:
        taken = Settings(web=WebSettings(listen=show.page.url.split("/")[2]))
        begin = time.monotonic()
        with pytest.raises(ConfigError, match="cannot listen"):
            open_page(taken, show.receiver, LatestPicture())
        assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://[::1"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Cookie": "streamcodec_token=\xff\xfe"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_what_cannot_be_read_or_comes_from_elsewhere_gets_no_picture(
    headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    with showing(tmp_path) as show:
        wait_for(lambda: show.receiver.snapshot().frames_displayed > 0)

        async def ask() -> int:
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.get(show.page.url + "snapshot.png") as answer,
            ):
                return answer.status

        assert asyncio.run(ask()) == status


def test_malformed_headers_are_refused_before_the_token_too(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s" * 20)
    secret.chmod(0o600)
    with showing(tmp_path, token_file=str(secret)) as show:

        async def ask(headers: dict[str, str]) -> int:
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.get(show.page.url) as answer,
            ):
                return answer.status

        assert asyncio.run(ask({"Origin": "http://[::1"})) == 400
        assert asyncio.run(ask({"Cookie": "a=b; streamcodec_token="})) == 401
        assert asyncio.run(ask({"Authorization": "Bearer nobody"})) == 401


def test_a_deep_message_of_a_browser_changes_nothing(tmp_path: Path) -> None:
    with showing(tmp_path) as show:

        async def talk() -> bool:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(show.page.url + "live") as live,
            ):
                await live.send_str("[" * 4000)
                await live.send_str('{"kind": "watching", "pictures": false, "numbers": true}')
                return (await live.receive()).type is aiohttp.WSMsgType.TEXT

        assert asyncio.run(talk())
