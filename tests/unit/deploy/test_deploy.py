# SPDX-License-Identifier: Apache-2.0
"""What is in `deploy/` parses, names what exists, and keeps the promises of its comments."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from services.cli import app
from services.config import catalogue
from services.settings import variable

yaml = pytest.importorskip("yaml", reason="PyYAML is not there")

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROMTOOL = shutil.which("promtool")
SYSTEMD = shutil.which("systemd-analyze")
METRICS = (DEPLOY.parent / "services" / "view" / "metrics.py").read_text(encoding="utf-8")


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def options_of(command: str) -> set[str]:
    found = get_command(app).commands[command]  # type: ignore[attr-defined]  # a group
    return {name for parameter in found.params for name in parameter.opts}


def check_command(arguments: list[str]) -> None:
    """The command exists, and has every option that is used."""
    known = options_of(arguments[0])
    unknown = {word for word in arguments[1:] if word.startswith("--")} - known
    assert not unknown, f"{arguments[0]} has no {unknown}"


def metric_exists(expression: str) -> None:
    for name in re.findall(r"streamcodec_[a-z_]+", expression):
        base = re.sub(r"_(total|bucket|sum|count)$", "", name.removeprefix("streamcodec_"))
        assert f'"{base}"' in METRICS or f"_{base}" in METRICS, name


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_name_commands_and_settings_that_exist(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    (command,) = re.findall(r"ExecStart=/usr/bin/env streamcodec (.*)", text)
    check_command(command.split())
    variables = {variable(name) for name in catalogue()} | {"STREAMCODEC_CONFIG"}
    assert set(re.findall(r"Environment=(STREAMCODEC_\w+)=", text)) <= variables


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_leave_cameras_and_compiled_code_working(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    if "send" in unit.name or "recv" in unit.name:
        assert not re.search(r"^(PrivateDevices|MemoryDenyWriteExecute|ProtectClock)", text, re.M)
        assert "Type=notify" in text
        assert "WatchdogSec=" in text


@pytest.mark.skipif(SYSTEMD is None, reason="there is no systemd-analyze here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_units_and_their_exposure(unit: Path) -> None:
    assert SYSTEMD is not None
    verified = subprocess.run(
        [SYSTEMD, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr
    assert unit.name not in verified.stderr
    rated = subprocess.run(
        [SYSTEMD, "security", "--offline=yes", "--threshold=40", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-500:]


def test_compose_runs_commands_that_exist_and_publishes_on_loopback_only() -> None:
    (compose,) = documents(DEPLOY / "compose.yaml")
    services = compose["services"]
    for name in ("sender", "link", "receiver"):
        check_command(services[name]["command"])
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).exists()


@pytest.mark.parametrize("name", ["sender.yaml", "relay.yaml"])
def test_manifests_keep_together(name: str) -> None:
    workload, service = documents(DEPLOY / "kubernetes" / name)
    template = workload["spec"]["template"]
    labels, pod = template["metadata"]["labels"], template["spec"]
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["clusterIP"] == "None"
    (container,) = pod["containers"]
    check_command(container["args"])
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        v["name"] for v in pod["volumes"]
    }
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    assert container["readinessProbe"] != container["livenessProbe"]
    assert pod["securityContext"]["runAsNonRoot"]


KUBERNETES = ("1.29", "1.37")  # the oldest that is still seen, and the newest whose schemas we have


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", ["sender.yaml", "relay.yaml"])
def test_manifests_fit_the_schemas_of_kubernetes(name: str, version: str) -> None:
    """Strictly: a misspelt field is an error, which a cluster would leave out in silence."""
    kubernetes = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not there"
    )
    for document in documents(DEPLOY / "kubernetes" / name):
        assert kubernetes.validate(document, version, strict=True) == version


def test_the_schemas_of_kubernetes_catch_a_misspelt_field() -> None:
    kubernetes = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not there"
    )
    workload = documents(DEPLOY / "kubernetes" / "sender.yaml")[0]
    container = workload["spec"]["template"]["spec"]["containers"][0]
    container["readynessProbe"] = container.pop("readinessProbe")
    with pytest.raises(kubernetes.ValidationError, match="readynessProbe"):
        kubernetes.validate(workload, KUBERNETES[-1], strict=True)


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here")
@pytest.mark.parametrize("arguments", [("rules", "alerts.yaml"), ("config", "prometheus.yaml")])
def test_promtool_accepts_rules_and_configuration(arguments: tuple[str, str]) -> None:
    assert PROMTOOL is not None
    kind, name = arguments
    checked = subprocess.run(
        [PROMTOOL, "check", kind, str(DEPLOY / "prometheus" / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "rules found" in checked.stdout


def test_alerts_use_metrics_that_exist() -> None:
    (rules,) = documents(DEPLOY / "prometheus" / "alerts.yaml")
    for rule in rules["groups"][0]["rules"]:
        assert re.fullmatch(r"Streamcodec[A-Z]\w+", rule["alert"])
        assert re.fullmatch(r"\d+[sm]", rule["for"])
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
        metric_exists(rule["expr"])
    (config,) = documents(DEPLOY / "prometheus" / "prometheus.yaml")
    assert all((DEPLOY / "prometheus" / name).exists() for name in config["rule_files"])


def test_the_board_draws_metrics_that_exist() -> None:
    board = json.loads((DEPLOY / "grafana" / "streamcodec.json").read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
            metric_exists(target["expr"])


def test_the_image_runs_without_rights() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001$", text, re.M)
    assert "HEALTHCHECK" in text
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        assert all((DEPLOY.parent / name).exists() for name in source.split())
