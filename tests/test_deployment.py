"""What is shipped to run the gateway elsewhere: compose, systemd, Kubernetes, Helm. Each names files that exist, and a
configuration that loads.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_gateway.config.units import decode_duration
from llm_gateway.loading import load, load_text

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "llm-gateway"
KEYS = {"OPENAI_API_KEY": "sk-1", "GATEWAY_KEY": "key-of-the-team"}


COMPOSE_VARIABLES = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose" / "gateway.yaml").read_text()))


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    return found


def test_each_file_that_compose_mounts_exists(compose: dict[str, Any]) -> None:
    mounts = [volume for service in compose["services"].values() for volume in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]

    assert files
    assert [name for name in files if not (DEPLOY / "compose" / name).exists()] == []


def test_each_volume_and_each_dependency_of_compose_is_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        named = {mount.split(":")[0] for mount in service.get("volumes", []) if not mount.startswith(".")}
        assert named <= set(compose["volumes"])


def test_compose_publishes_ports_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_configuration_of_compose_loads_with_its_defaults(compose: dict[str, Any]) -> None:
    pytest.importorskip("llm_gateway_clickhouse_tracer")
    given = compose["services"]["gateway"]["environment"]
    environ = {name: re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value) for name, value in given.items()}

    config = load(DEPLOY / "compose" / "gateway.yaml", environ=environ).config

    (project,) = config.projects.values()
    assert [plugin.type for plugin in project.plugins] == ["basic-apikey-auth", "limits", "clickhouse-tracer"]
    dashboard = project.plugins[2].config["dashboard"]
    assert dashboard["enabled"]
    assert f"http://localhost:3000{dashboard.get('path', '/traces')}/" in (ROOT / "docs" / "install.md").read_text()


def test_each_service_of_compose_is_used_by_the_gateway_or_reads_from_it(compose: dict[str, Any]) -> None:
    folder = DEPLOY / "compose"
    settings = "".join(path.read_text() for path in folder.rglob("*.y*ml") if path.name != "compose.yaml")
    unused = [name for name in compose["services"] if name != "grafana" and f"//{name}:" not in settings]

    # Prometheus reads from `gateway:3000`, Grafana from the others.
    assert [name for name in unused if f'"{name}:' not in settings] == []


def test_prometheus_reads_the_address_where_the_gateway_has_its_metrics(compose: dict[str, Any]) -> None:
    settings = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())
    config = load(DEPLOY / "compose" / "gateway.yaml", environ=dict.fromkeys(COMPOSE_VARIABLES, "value-of-it")).config
    mounted = {mount.split(":")[1] for mount in compose["services"]["prometheus"]["volumes"]}
    (job,) = settings["scrape_configs"]

    assert job["metrics_path"] == config.monitoring.metrics.path
    assert job["static_configs"] == [{"targets": [f"gateway:{config.server.port}"]}]
    assert set(settings["rule_files"]) <= mounted


def test_the_gateway_of_compose_is_given_each_variable_that_it_reads(compose: dict[str, Any]) -> None:
    assert set(compose["services"]["gateway"]["environment"]) == COMPOSE_VARIABLES


def test_each_dashboard_has_a_data_source_of_its_kind(compose: dict[str, Any]) -> None:
    folder = DEPLOY / "compose" / "grafana" / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "datasources.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "dashboards.yaml").read_text())["providers"]
    grafana = compose["services"]["grafana"]
    mounts = dict(mount.split(":")[:2] for mount in grafana["volumes"])
    dashboards = [file for file, place in mounts.items() if place.startswith(provider["options"]["path"] + "/")]

    assert len(dashboards) == 2
    for file in dashboards:
        variables = json.loads((DEPLOY / "compose" / file).read_text())["templating"]["list"]
        wanted = {variable["query"] for variable in variables if variable["type"] == "datasource"}
        assert wanted
        assert wanted <= {source["type"] for source in sources}
    plugins = {source["type"] for source in sources} - {"prometheus"}
    assert plugins <= set(grafana["environment"]["GF_PLUGINS_PREINSTALL"].split(","))


def test_the_tracer_and_grafana_read_one_database(compose: dict[str, Any]) -> None:
    """Named in the configuration, the compose file and the data source of Grafana."""
    given = compose["services"]["clickhouse"]["environment"]
    config = yaml.safe_load((DEPLOY / "compose" / "gateway.yaml").read_text())
    tracer = next(
        plugin["config"]["clickhouse"] for plugin in config["plugins"] if plugin["type"] == "clickhouse-tracer"
    )
    file = DEPLOY / "compose" / "grafana" / "provisioning" / "datasources" / "datasources.yaml"
    source = next(
        source["jsonData"]
        for source in yaml.safe_load(file.read_text())["datasources"]
        if source["type"] != "prometheus"
    )

    assert tracer["username"] == source["username"] == given["CLICKHOUSE_USER"]
    assert tracer["database"] == source["defaultDatabase"] == given["CLICKHOUSE_DB"]
    assert tracer["url"] == f"http://{source['host']}:{source['port']}"


def test_what_the_image_copies_exists_and_is_not_left_out() -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+) ", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    kept = {
        line.removeprefix("!") for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"
    }

    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert set(copied) == kept


@pytest.mark.parametrize("file", [DEPLOY / "gateway.yaml", DEPLOY / "kubernetes" / "gateway.yaml"], ids=str)
def test_the_configurations_of_image_and_manifests_load(file: Path) -> None:
    assert load(file, environ=KEYS).config.projects


def test_the_chart_uses_only_values_that_it_declares() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    text = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    used = set(re.findall(r"\.Values\.([\w.]+)", text))

    def declared(path: str) -> bool:
        found: Any = values
        for key in path.split("."):
            if not isinstance(found, dict) or key not in found:
                return False
            found = found[key]
        return True

    assert used
    assert [path for path in sorted(used) if not declared(path)] == []


def test_the_configuration_of_the_chart_loads() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert load_text(yaml.safe_dump(values["config"]), environ={}).config.server.port == 3000


HELM = shutil.which("helm", path=f"{os.environ.get('PATH', '')}:{ROOT / 'build' / 'helm'}")


@pytest.mark.skipif(HELM is None, reason="the program helm is missing: tools/get_helm.py fetches it")
@pytest.mark.parametrize("extra", [(), ("--set", "ingress.enabled=true,persistence.enabled=true")])
def test_the_chart_is_linted_and_rendered(extra: tuple[str, ...]) -> None:
    assert HELM is not None
    subprocess.run([HELM, "lint", "--strict", str(CHART), *extra], check=True, capture_output=True)
    rendered = subprocess.run(
        [HELM, "template", "x", str(CHART), "--kube-version", "1.30.0", *extra],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    found = {document["kind"]: document for document in yaml.safe_load_all(rendered) if document}
    assert set(found) >= {"Service", "ConfigMap", "ServiceAccount"} | ({"Ingress"} if extra else set())
    config = load_text(found["ConfigMap"]["data"]["gateway.yaml"], environ={}).config
    (container,) = found["StatefulSet" if extra else "Deployment"]["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [config.server.port]
    probes = {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")}
    endpoint = config.monitoring.health_check.endpoint
    assert probes == {f"{endpoint}/live", f"{endpoint}/ready"}


def test_the_unit_runs_the_command_and_does_not_repeat_a_wrong_configuration() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "systemd" / "llm-gateway.service")

    service = unit["Service"]
    assert service["ExecStart"].endswith("llm-gateway start --config /etc/llm-gateway/gateway.yaml")
    assert service["RestartPreventExitStatus"] == "2"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the program systemd-analyze is missing")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "llm-gateway.service").read_text()
    file = tmp_path / "llm-gateway.service"
    file.write_text(text.replace("/opt/llm-gateway/bin/llm-gateway", "/bin/true"))

    found = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)

    assert [line for line in found.stderr.splitlines() if file.name in line] == []
    assert found.returncode == 0


def _seconds(written: str) -> float:
    return decode_duration(int(written) * 1000 if written.isdigit() else written)


def test_whatever_stops_the_gateway_waits_as_long_as_it_may_take(compose: dict[str, Any]) -> None:
    """Twice `drainTimeout` and 10 s, as docs/operations.md has it, and what a pod waits before."""
    unit = (DEPLOY / "systemd" / "llm-gateway.service").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    manifest = (DEPLOY / "kubernetes" / "deployment.yaml").read_text()
    pause = max(int(each) for each in re.findall(r'"?(?:sleep|seconds)"?[:,]? *"?(\d+)', manifest))
    default = load_text("models: [{name: m, provider: {type: echo}}]", environ={}).config
    of_compose = load(
        DEPLOY / "compose" / "gateway.yaml", environ=dict.fromkeys(COMPOSE_VARIABLES, "value-of-it")
    ).config
    in_pods = load(DEPLOY / "kubernetes" / "gateway.yaml", environ=KEYS).config
    in_chart = load_text(yaml.safe_dump(values["config"]), environ={}).config
    waits = [
        (re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1], default, 0),  # type: ignore[index]
        (compose["services"]["gateway"]["stop_grace_period"], of_compose, 0),
        (re.search(r"terminationGracePeriodSeconds: (\d+)", manifest)[1], in_pods, pause),  # type: ignore[index]
        (str(values["terminationGracePeriodSeconds"]), in_chart, pause),
    ]

    assert pause > 0
    for written, config, before in waits:
        assert _seconds(written) >= before + 2 * config.server.limits.drain_timeout_seconds + 10


def test_the_lock_of_the_image_has_all_that_the_packages_need_with_hashes() -> None:
    lock = runpy.run_path(str(ROOT / "tools" / "lock_image.py"))

    assert lock["missing"]() == []
    assert [name for name, hashes in lock["locked"]().items() if not hashes] == []
    assert [name for name in lock["locked"]() if name.startswith("llm-gateway")] == []


def test_the_image_installs_nothing_of_others_but_the_lock() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    installs = re.findall(r"pip install ([^\\&]*)", text)

    assert installs
    for install in installs:
        assert "--no-deps" in install
        assert "--require-hashes" in install or "--no-index" in install
    assert "!deploy/requirements.lock" in (DEPLOY / "Dockerfile.dockerignore").read_text().split()


def _instruction(name: str) -> list[str]:
    """The words of an instruction of the Dockerfile that is written as a list."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    match = re.search(rf"^{name} [^\[\n]*(\[.*\])$", text, re.MULTILINE)
    assert match is not None
    words: list[str] = json.loads(match[1])
    return words


def test_the_command_of_the_image_serves_its_configuration_and_its_health_check_reports_it() -> None:
    """Run here as written, with the configuration at the place from which the image copies it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = str(Path(sys.executable).parent)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "PORT": str(port), "HOME": "/nonexistent"}
    command = [*_instruction("ENTRYPOINT"), *_instruction("CMD")]
    copied = dict(re.findall(r"^COPY (\S+\.yaml) (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    places = {place: str(ROOT / file) for file, place in copied.items()}
    health = _instruction("HEALTHCHECK")

    assert subprocess.run(health, env=environ, capture_output=True, check=False).returncode == 1
    gateway = subprocess.Popen([places.get(word, word) for word in command], env=environ, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 60
        while subprocess.run(health, env=environ, capture_output=True, check=False).returncode:
            assert gateway.poll() is None, gateway.stderr.read() if gateway.stderr else ""
            assert time.monotonic() < until
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(30) == 0
    finally:
        gateway.kill()
        if gateway.stderr is not None:
            gateway.stderr.close()


def test_the_user_of_the_image_is_the_one_that_manifests_and_chart_run_as() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    user, group = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)[-1]
    manifests = [DEPLOY / "kubernetes" / "deployment.yaml", CHART / "templates" / "workload.yaml"]

    assert f"--uid {user} " in text
    assert f"groupadd --gid {group} " in text
    for file in manifests:
        assert set(re.findall(r"runAsUser: (\d+)", file.read_text())) == {user}, file


def test_the_store_of_each_deployment_is_where_it_can_be_written() -> None:
    """The folder of the configuration can't be: it is mounted read-only, or belongs to root."""
    unit = (DEPLOY / "systemd" / "llm-gateway.service").read_text()
    chart = (CHART / "templates" / "workload.yaml").read_text()
    variables = dict(re.findall(r"(\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text()))
    state = re.search(r"^StateDirectory=(\S+)$", unit, re.MULTILINE)
    assert state is not None
    folder = f"/var/lib/{state[1]}"

    assert variables["LLM_GATEWAY_STATE_DIR"] == folder
    assert f"LLM_GATEWAY_STATE_DIR={folder}\n" in unit
    assert f"{{name: LLM_GATEWAY_STATE_DIR, value: {folder}}}" in chart
    for file in (DEPLOY / "kubernetes" / "deployment.yaml", CHART / "templates" / "workload.yaml"):
        assert f"{{name: state, mountPath: {folder}}}" in file.read_text()


def test_what_the_image_keeps_is_on_its_volume() -> None:
    """The tracer's spool, where no path is configured: in the folder that compose file and manifests mount."""
    variables = dict(re.findall(r"(\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text()))
    script = """if True:
        from llm_gateway_clickhouse_tracer.settings import TracerSettings
        print(TracerSettings.load({"clickhouse": {"url": "http://localhost:8123"}}).spool_folder)
    """

    found = subprocess.run(
        [sys.executable, "-c", script],
        env={"XDG_STATE_HOME": variables["XDG_STATE_HOME"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.startswith("/var/lib/llm-gateway/")
