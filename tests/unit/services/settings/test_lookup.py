# SPDX-License-Identifier: Apache-2.0
"""Settings: order of precedence, origins, and errors that say what to do."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import ConfigError
from services.settings.config import Settings, catalogue
from services.settings.lookup import describe, resolve, variable


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_without_anything_every_value_is_the_default() -> None:
    resolved = resolve({}, environ={})
    assert resolved.settings == Settings()
    assert set(resolved.origins.values()) == {"default"}


def test_option_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    path = write(tmp_path, "[sender]\nkbps = 100\nquality = 10\nseed = 1\n")
    environ = {"STREAMCODEC_SENDER__KBPS": "200", "STREAMCODEC_SENDER__QUALITY": "20"}
    resolved = resolve({"sender.kbps": 300.0}, environ=environ, file=path)
    sender = resolved.settings.sender
    assert (sender.kbps, sender.quality, sender.seed, sender.loop) == (300.0, 20, 1, False)
    assert resolved.origins["sender.kbps"] == "option"
    assert resolved.origins["sender.quality"] == "environment STREAMCODEC_SENDER__QUALITY"
    assert resolved.origins["sender.seed"] == str(path)
    assert resolved.origins["sender.loop"] == "default"


def test_an_option_that_was_not_given_changes_nothing() -> None:
    assert resolve({"sender.kbps": None}, environ={}).origins["sender.kbps"] == "default"


def test_the_file_in_the_working_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / "streamcodec.toml").write_text("[codec]\nsize = 'M'\n")
    assert resolve({}, environ={}).settings.codec.size == "M"


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[codec]\nsize = 'M'\n")
    assert resolve({}, environ={"STREAMCODEC_CONFIG": str(path)}).settings.codec.size == "M"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[sender]\nkbs = 3", ["sender.kbs", "did you mean sender.kbps?"]),
        ("[sendr]\nkbps = 3", ["[sendr]", "did you mean sender?"]),
        ("sender = 3", ["write it as [sender]"]),
        ("[sender]\nquality = 64", ["sender.quality is 64", "from 0 to 63"]),
        ("[sender]\nquality = true", ["sender.quality is True"]),
        ("[sender]\nkbps = nan", ["sender.kbps is nan"]),
        ("[codec]\nsize = 'XL'", ["'XL'", "one of S, M"]),
        ("[codec", ["not valid TOML"]),
    ],
)
def test_a_wrong_file_says_which_key_and_what_is_allowed(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        resolve({}, environ={}, file=path)
    message = str(caught.value)
    assert str(path) in message
    assert all(part in message for part in parts), message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        resolve({}, environ={}, file=tmp_path / "none.toml")


def test_an_unknown_variable_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean STREAMCODEC_SENDER__KBPS"):
        resolve({}, environ={"STREAMCODEC_SENDER__KBP": "3"})


def test_one_underscore_too_few_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"did you mean STREAMCODEC_CODEC__THREADS\?"):
        resolve({}, environ={"STREAMCODEC_CODEC_THREADS": "1"})


def test_variables_that_a_container_platform_adds_are_left_alone() -> None:
    environ = {"STREAMCODEC_SERVICE_HOST": "10.0.0.1", "STREAMCODEC_PORT_5555_TCP": "tcp://x"}
    assert resolve({}, environ=environ).settings == Settings()


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("No", False), ("0", False)]
)
def test_truth_in_the_environment(text: str, value: bool) -> None:
    assert resolve({}, environ={"STREAMCODEC_SENDER__LOOP": text}).settings.sender.loop is value


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [("LOOP", "maybe", "true or false"), ("SEED", "3.5", "whole"), ("KBPS", "fast", "a number")],
)
def test_text_that_does_not_parse_says_what_would(key: str, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"STREAMCODEC_SENDER__{key}.*{expected}"):
        resolve({}, environ={f"STREAMCODEC_SENDER__{key}": text})


def test_every_setting_is_documented_and_its_default_is_allowed() -> None:
    for name, spec in catalogue().items():
        assert spec.metadata["help"], name
        assert describe(spec)
        if spec.default is not None:
            resolve({name: spec.default}, environ={})


def test_every_variable_belongs_to_one_setting() -> None:
    names = [variable(name) for name in catalogue()]
    assert len(set(names)) == len(names)


@given(st.binary(max_size=200))
def test_any_bytes_in_the_file_are_settings_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "settings.toml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        resolve({}, environ={}, file=path)
