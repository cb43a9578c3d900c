# SPDX-License-Identifier: Apache-2.0
"""What is in `deploy/` parses, names what exists, and keeps the promises of its comments."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from services.commands.program import app
from services.settings.config import catalogue
from services.settings.lookup import variable

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
def test_no_two_instances_share_settings_or_a_folder(unit: Path) -> None:
    """The role is in every name: send@door and recv@door run under different users."""
    text = unit.read_text(encoding="utf-8")
    role = re.findall(r"streamcodec-(\w+)@", unit.name)[0]
    assert f"STREAMCODEC_CONFIG=/etc/streamcodec/{role}-%i.toml" in text
    assert f"\nStateDirectory=streamcodec/{role}-%i\n" in text
    assert f"\nWorkingDirectory=%S/streamcodec/{role}-%i\n" in text
    # By itself systemd names the user after the template, one for all its instances.
    assert f"\nDynamicUser=yes\nUser=sc-{role}-%i\n" in text
    assert "CacheDirectory" not in text
    assert "NUMBA" not in text


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_read_keys_by_a_group_that_is_made(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    groups = re.findall(r"^SupplementaryGroups=(.*)$", text, re.M)[0].split()
    made = (DEPLOY / "systemd" / "streamcodec.sysusers").read_text(encoding="utf-8")
    assert f"\ng {groups[0]} -" in made
    assert "ExecReload=/bin/kill -HUP $MAINPID" in text


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_leave_cameras_working_and_let_no_code_be_written(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    if "send" in unit.name or "recv" in unit.name:
        assert not re.search(r"^(PrivateDevices|ProtectClock)", text, re.M)
        assert "Type=notify" in text
        assert "WatchdogSec=" in text
    assert "\nMemoryDenyWriteExecute=yes\n" in text


# What systemd does for RestrictAddressFamilies: a system-call filter that refuses other sockets.
CONFINED = """
import ctypes, socket, struct, sys
FAMILIES = [int(getattr(socket, name)) for name in sys.argv[1:]]
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
X86_64, SOCKET, ALLOW, REFUSE = 0xC000003E, 41, 0x7FFF0000, 0x00050000 | 97  # EAFNOSUPPORT
checks = len(FAMILIES)
lines = [
    (LOAD, 0, 0, 4), (IF_EQUAL, 0, checks + 4, X86_64),
    (LOAD, 0, 0, 0), (IF_EQUAL, 0, checks + 2, SOCKET),
    (LOAD, 0, 0, 16), *((IF_EQUAL, checks - k, 0, family) for k, family in enumerate(FAMILIES)),
    (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW),
]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
assert libc.prctl(22, 2, ctypes.byref(Filter(len(lines), ctypes.addressof(program))), 0, 0) == 0
try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
except OSError as error:
    assert error.errno == 97, error
else:
    sys.exit("the filter does not hold")
from services.wire.transport import Port
from services.wire.endpoint import Endpoint
for address in ("127.0.0.1", "localhost"):
    port = Port(Endpoint(f"tcp://{address}:0", bind=True))
    port.open()
    port.close()
print("bound")
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter is written for x86-64")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_an_end_can_bind_with_the_address_families_of_its_unit(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    families = re.findall(r"^RestrictAddressFamilies=(.*)$", text, re.M)[0].split()
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, *families],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "bound\n"), done.stderr[-500:]


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


def test_the_image_runs_without_rights_and_answers_its_health_check() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001$", text, re.M)
    (asked,) = re.findall(r"HEALTHCHECK[^[]*\[.*http://([0-9.:]+)/healthz", text, re.S)
    assert f"{variable('web.metrics')}={asked}" in text
    assert "NUMBA" not in text
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        assert all((DEPLOY.parent / name).exists() for name in source.split())


def test_what_the_image_is_made_of_is_let_into_the_build_and_little_else() -> None:
    """`.dockerignore` shuts everything out but what the Dockerfile copies."""
    lines = (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = {
        source.rstrip("/").removeprefix("./").partition("/")[0]
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M)
        for source in sources.split()
    }
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied


def test_images_can_be_named_by_digest() -> None:
    """No digest is written here: the set-up names them, and defaults to a version."""
    (compose,) = documents(DEPLOY / "compose.yaml")
    for service in compose["services"].values():
        assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-[a-z/]+(:v?\d+[\d.]+)?\}", service["image"])
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {"${PYTHON_IMAGE}"}


def test_containers_write_into_volumes_alone() -> None:
    (compose,) = documents(DEPLOY / "compose.yaml")
    for name in ("sender", "link", "receiver"):
        assert compose["services"][name]["read_only"]
    assert compose["services"]["receiver"]["volumes"] == ["recordings:/recordings"]
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "install -d -o 10001 -g 10001 -m 0750 /recordings" in text
    assert f"{variable('web.recordings')}=/recordings" in text


def test_secrets_of_manifests_are_explained_where_they_are_made() -> None:
    """Every Secret that a manifest wants is created by a line of the documents, with its items."""
    guide = (DEPLOY.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    for name in ("sender.yaml", "relay.yaml"):
        workload = documents(DEPLOY / "kubernetes" / name)[0]
        pod = workload["spec"]["template"]["spec"]
        for volume in pod["volumes"]:
            if "secret" not in volume:
                continue
            made = guide.split(f"generic {volume['secret']['secretName']} ")[1].split("kubectl")[0]
            for item in volume["secret"]["items"]:
                assert f"--from-file={item['key']}=" in made
        for one in pod["containers"][0].get("env", ()):
            wanted = one["valueFrom"]["secretKeyRef"]
            assert f"generic {wanted['name']} --from-literal={wanted['key']}=" in guide


def test_every_file_that_the_operations_guide_copies_is_there() -> None:
    guide = (DEPLOY.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:deploy|docs)/[\w./@*-]+\w", guide))
    assert len(named) > 6
    for path in named:
        assert list(DEPLOY.parent.glob(path)), path


def test_commands_of_the_operations_guide_exist() -> None:
    guide = (DEPLOY.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    (?:\w+@\w+:)?streamcodec (.+)$", guide, re.M)
    assert len(lines) > 8
    groups = ("keys", "config")
    for line in lines:
        words = line.partition(" #")[0].partition(" > ")[0].partition(" && ")[0].split()
        if words[0] not in groups:
            check_command(words)
