"""The dashboard, alerts and manifests that are shipped: they can be read, and they speak of what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_gateway.loading import load
from llm_gateway.monitoring.families import FAMILIES, PLUGIN_PREFIX

ROOT = Path(__file__).resolve().parents[4]
MONITORING = ROOT / "examples" / "monitoring"
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

KNOWN_ELSEWHERE = {"up"}  # Prometheus' own


def exposed() -> dict[str, tuple[str, ...]]:
    """The names that a query may use, with their labels."""
    names: dict[str, tuple[str, ...]] = {}
    for name, family in FAMILIES.items():
        if family.kind == "histogram":
            names |= {f"{name}_bucket": (*family.labels, "le"), f"{name}_sum": family.labels}
            names[f"{name}_count"] = family.labels
        else:
            names[name] = family.labels
    return names


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    return found


def queries() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for rule in alerts():
        yield rule["expr"]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("query", list(queries()))
def test_every_query_uses_metrics_and_labels_that_exist(query: str) -> None:
    names = exposed()
    used = set(re.findall(r"\b(llm_gateway_[a-z0-9_]+|process_[a-z0-9_]+|up)\b", query))
    assert used
    assert {name for name in used if not name.startswith(PLUGIN_PREFIX)} - names.keys() - KNOWN_ELSEWHERE <= {
        "llm_gateway_plugin_seconds_total", "llm_gateway_plugin_requests_total",
    }  # fmt: skip
    for name, selector in re.findall(r"\b(llm_gateway_[a-z0-9_]+)\{([^}]*)\}", query):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert labels <= {*names[name], "instance", "job"}, (name, labels)
    for grouped in re.findall(r"\bby \(([^)]*)\)", query):
        labels = {label.strip() for label in grouped.split(",")} - {"instance", "job"}
        assert all(labels <= set(names[name]) for name in used & names.keys()), (labels, used)
    assert query.count("(") == query.count(")")
    assert query.count("{") == query.count("}")


def test_counters_are_only_used_as_rates() -> None:
    for query in queries():
        for name in re.findall(r"\bllm_gateway_[a-z0-9_]+_total\b", query):
            assert re.search(rf"\b(?:rate|increase)\(\s*{name}\b", query), query


def test_the_dashboards_panels_have_places_titles_and_the_chosen_source() -> None:
    board = dashboard()

    assert board["uid"] == "llm-gateway"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells
        assert place["x"] + place["w"] <= 24
        assert panel["title"]
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"


def test_every_alert_is_explained_in_the_operators_manual() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text()

    for rule in alerts():
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert f"`{rule['alert']}`" in manual


def test_every_metric_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "monitoring.md").read_text()

    assert [name for name in FAMILIES if f"`{name}`" not in manual] == []


def test_the_scrape_configuration_loads_the_alerts_from_the_right_path() -> None:
    found = yaml.safe_load((MONITORING / "prometheus.yml").read_text())

    assert found["rule_files"] == ["alerts.yml"]
    assert found["scrape_configs"][0]["metrics_path"] == "/metrics"
    assert found["scrape_configs"][0]["job_name"] == "llm-gateway"


@pytest.mark.parametrize(
    "file",
    [MONITORING / "gateway.yaml", DEPLOY / "gateway.yaml", KUBERNETES / "gateway.yaml"],
    ids=lambda file: file.parent.name,
)
def test_shipped_configurations_load(file: Path) -> None:
    load(file, environ={"OPENAI_API_KEY": "sk-test-openai", "GATEWAY_KEY": "test-gateway-key"})


def manifests() -> dict[str, dict[str, Any]]:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    found = [yaml.safe_load((KUBERNETES / name).read_text()) for name in listed]
    return {manifest["kind"]: manifest for manifest in found}


def test_the_pod_has_time_to_drain() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    config = load(
        KUBERNETES / "gateway.yaml", environ={"OPENAI_API_KEY": "sk-test-openai", "GATEWAY_KEY": "test-gateway-key"}
    ).config

    drain = config.server.limits.drain_timeout_seconds

    # Requests in flight, then detached hooks, each for as long as drainTimeout.
    assert pod["terminationGracePeriodSeconds"] >= pause + 2 * drain + 10


def test_the_pod_has_no_rights_that_it_does_not_need() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} == set(container["resources"])


def test_the_probes_ask_addresses_that_exist() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert container["startupProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}
    assert ports == {"http": 3000}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_the_manifests_select_the_same_pods() -> None:
    found = manifests()
    label = found["Deployment"]["spec"]["template"]["metadata"]["labels"]

    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == label
    assert found["Service"]["spec"]["selector"] == label
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == "http"
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == label
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == label
    for manifest in found.values():
        assert {"apiVersion", "kind", "metadata"} <= manifest.keys()
        assert manifest["metadata"]["name"] == "llm-gateway"


def instructions() -> list[tuple[str, str]]:
    text = "\n".join(line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n", " ", text)
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def test_the_image_runs_as_a_user_without_rights_and_states_how_it_is() -> None:
    found = instructions()
    last = [word for word, _ in found][::-1]
    users = [rest for word, rest in found if word == "USER"]

    assert users == ["10001:10001"]
    assert last.index("USER") > last.index("ENTRYPOINT")  # nothing of it runs as root
    (check,) = (rest for word, rest in found if word == "HEALTHCHECK")
    assert "/health/live" in check
    assert ("STOPSIGNAL", "SIGTERM") in found
    for word, rest in found:
        if word == "COPY" and not rest.startswith("--from"):
            assert (ROOT / rest.split()[0]).exists(), rest
        if word in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(rest), list)  # no shell is between signals and the gateway


def test_what_the_image_copies_is_not_ignored() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()

    copied = [rest.split()[0] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]

    assert all(f"!{path}" in ignored for path in copied)


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")

    found = subprocess.run([hadolint, "--no-color", str(DEPLOY / "Dockerfile")], capture_output=True, text=True)

    assert (found.returncode, found.stdout) == (0, "")
