# SPDX-License-Identifier: Apache-2.0
"""Looks every setting up: options, then environment, then TOML file, then defaults."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any

from services.errors import ConfigError
from services.settings.config import Settings, catalogue

PREFIX = "STREAMCODEC_"
FILE_VARIABLE = "STREAMCODEC_CONFIG"
DEFAULT_FILE = Path("streamcodec.toml")
MAX_FILE_BYTES = 1 << 20
_TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings of this run, and for each dotted name where its value came from."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None


def resolve(
    options: Mapping[str, object], *, environ: Mapping[str, str], file: Path | None = None
) -> Resolved:
    """Look up every setting.

    `options` maps dotted names to values from the command line; None means not given. `file` is
    the one named by `--config`; without it `STREAMCODEC_CONFIG`, then `streamcodec.toml` in the
    working directory. Raises ConfigError naming the setting, its value and what is allowed.
    """
    known = catalogue()
    path = _choose_file(file, environ)
    values: dict[str, object] = {}
    origins = dict.fromkeys(known, "default")
    layers = (
        _from_file(path, known) if path else {},
        _from_environment(environ, known),
        {name: (value, "option") for name, value in options.items() if value is not None},
    )
    for layer in layers:
        for name, (value, origin) in layer.items():
            values[name] = _checked(name, value, known[name], origin)
            origins[name] = origin
    sections = {}
    for section in fields(Settings):
        assert section.default_factory is not MISSING
        prefix = f"{section.name}."
        chosen = {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
        sections[section.name] = type(section.default_factory())(**chosen)
    return Resolved(Settings(**sections), origins, path)


def variable(name: str) -> str:
    """The environment variable of a dotted name.

    Two underscores part section and key, so that variables which container platforms add for a
    service called streamcodec are not mistaken for ours.
    """
    return PREFIX + name.replace(".", "__").upper()


def _choose_file(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    if given is not None:
        return given
    if environ.get(FILE_VARIABLE):
        return Path(environ[FILE_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _from_file(path: Path, known: Mapping[str, Field[Any]]) -> dict[str, tuple[object, str]]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{path} has over {MAX_FILE_BYTES} bytes; is it the right file?")
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read settings from {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no text; is it the right file?") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    sections = {name.partition(".")[0] for name in known}
    found: dict[str, tuple[object, str]] = {}
    for section, table in tables.items():
        if section not in sections:
            raise ConfigError(f"{path}: there is no section [{section}]{_hint(section, sections)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is a section; write it as [{section}]")
        for key, value in table.items():
            name = f"{section}.{key}"
            if name not in known:
                raise ConfigError(f"{path}: there is no setting {name}{_hint(name, known)}")
            found[name] = (value, str(path))
    return found


def _from_environment(
    environ: Mapping[str, str], known: Mapping[str, Field[Any]]
) -> dict[str, tuple[object, str]]:
    by_variable = {variable(name): name for name in known}
    mistaken = {key.replace("__", "_") for key in by_variable}
    found: dict[str, tuple[object, str]] = {}
    for key, text in environ.items():
        if not key.startswith(PREFIX) or ("__" not in key and key not in mistaken):
            continue
        if key not in by_variable:
            raise ConfigError(f"environment: there is no setting {key}{_hint(key, by_variable)}")
        name = by_variable[key]
        found[name] = (_parse(text, known[name], key), f"environment {key}")
    return found


def _hint(name: str, known: Mapping[str, object] | set[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _kind(spec: Field[Any]) -> str:
    """The type of a setting as text."""
    return str(spec.type).removesuffix(" | None")


def _parse(text: str, spec: Field[Any], variable_name: str) -> object:
    """A value from the environment, where everything is text."""
    kind = _kind(spec)
    try:
        if kind == "bool":
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                text.strip().lower()
            ]
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except (KeyError, ValueError):
        expected = {"bool": "true or false", "int": "a whole number", "float": "a number"}[kind]
        raise ConfigError(f"{variable_name} is {text!r}; it must be {expected}") from None
    return text


def _checked(name: str, value: object, spec: Field[Any], origin: str) -> object:
    """The value if it has the type and range of its setting, else ConfigError."""
    kind = _kind(spec)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    allowed = describe(spec)
    fits = type(value) is type_of(spec)
    if fits and isinstance(value, int | float) and not isinstance(value, bool):
        low, high = spec.metadata["low"], spec.metadata["high"]
        fits = (low is None or value >= low) and (high is None or value <= high)
    if fits and spec.metadata["choices"]:
        fits = re.sub(r":\d{1,3}$", ":N", str(value)) in spec.metadata["choices"]
    if not fits:
        raise ConfigError(f"{name} is {value!r} ({origin}); it must be {allowed}")
    return value


def type_of(spec: Field[Any]) -> type:
    """The type of a setting's values, where it has one: str, int, float or bool."""
    return _TYPES[_kind(spec)]


def describe(spec: Field[Any]) -> str:
    """What values a setting takes, for people."""
    if spec.metadata["choices"]:
        return "one of " + ", ".join(spec.metadata["choices"])
    kind = _kind(spec)
    noun = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
    low, high = spec.metadata["low"], spec.metadata["high"]
    if low is None or high is None:
        return noun[kind]
    return f"{noun[kind]} from {_plain(low)} to {_plain(high)}"


def _plain(number: float) -> str:
    """A bound without an exponent."""
    return str(int(number)) if number == int(number) else f"{number:g}"
