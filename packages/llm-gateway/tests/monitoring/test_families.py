"""The gateway's metrics: names and labels as Prometheus' conventions have them, all described in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_gateway.monitoring.families import FAMILIES, PLUGIN_PREFIX, Family

DOCS = Path(__file__).parents[4] / "docs"
EACH = pytest.mark.parametrize(("name", "family"), FAMILIES.items(), ids=list(FAMILIES))


@EACH
def test_a_name_follows_the_conventions(name: str, family: Family) -> None:
    assert re.fullmatch(r"(llm_gateway|process)_[a-z0-9_]+", name)
    assert name.endswith("_total") is (family.kind == "counter")
    assert not name.startswith(PLUGIN_PREFIX) or family.labels[:2] == ("project", "plugin")
    if family.kind == "histogram":
        assert name.endswith("_seconds")


@EACH
def test_buckets_rise_and_only_histograms_have_them(name: str, family: Family) -> None:
    assert list(family.buckets) == sorted(set(family.buckets))
    assert bool(family.buckets) is (family.kind == "histogram")


@EACH
def test_no_label_takes_what_a_client_makes_up(name: str, family: Family) -> None:
    closed = {
        "project", "adapter", "operation", "model", "provider", "status", "stream", "class", "source", "kind", "team",
        "outcome", "to_model", "state", "plugin", "phase", "result", "version",
        "label", "value",  # of an issuer's labels, those that the configuration names, with 200 values at most
    }  # fmt: skip
    assert set(family.labels) <= closed
    assert len(set(family.labels)) == len(family.labels)
    assert family.help.endswith(".")


def test_the_documentation_names_every_metric() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))

    assert [name for name in FAMILIES if name.startswith("llm_gateway") and name not in text] == []
