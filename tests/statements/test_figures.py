"""Figures and lists that SECURITY.md and docs/operations.md state are those of the code and of what is shipped."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import yaml

from llm_gateway.exchange import long_replies
from llm_gateway.loading import load_text
from llm_gateway.server import uploads
from llm_gateway.server.control import STARTUP_SETTINGS
from llm_gateway.server.http1.pace import SLOWEST
from llm_gateway_sdk import guesses, heavy
from llm_gateway_sdk.http import UNASKED_BYTES
from llm_gateway_sdk.wire import long_texts, pieces

ROOT = Path(__file__).resolve().parents[2]
MANUAL = " ".join((ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split())
SECURITY = " ".join((ROOT / "SECURITY.md").read_text(encoding="utf-8").split())
KIB = 1024


def test_defaults() -> None:
    server = load_text("models: [{name: m, isDefault: true, provider: {type: echo}}]").config.server

    assert server.host == "127.0.0.1"
    assert f"every {server.limits.keep_alive_seconds:g} s (`server.limits.keepAlive`)" in MANUAL
    assert f"(`server.limits.idleTimeout`, {server.limits.idle_timeout_seconds:g} s)" in MANUAL
    assert f"`server.limits.drainTimeout` ({server.limits.drain_timeout_seconds:g} s)" in MANUAL
    assert server.limits.keep_alive_seconds < 60 < server.limits.idle_timeout_seconds, "nginx closes in between"


def test_bounds_of_the_code() -> None:
    assert f"over {heavy._HEAVY_BYTES // KIB} KiB, or with more than {heavy._HEAVY_ITEMS:,} values" in MANUAL
    assert f"errors of providers, over {heavy.LIGHT_BYTES // KIB} KiB" in MANUAL
    long, piece = long_texts.LONG_TEXT // KIB, pieces.PIECE_BYTES // KIB
    assert f"Strings above {long} KB are handled in pieces of {piece} KB" in MANUAL
    assert f"strings above {long} KB are received" in SECURITY
    assert f"{SLOWEST // KIB} KiB/s" in MANUAL
    assert f"(over {long_replies.LONG_REPLY // KIB // KIB} MiB; of a stream" in MANUAL
    assert long_replies.LONG_REPLY == UNASKED_BYTES
    assert f"nothing was given back for {long_replies.PATIENCE_SECONDS:g} s" in MANUAL
    assert uploads.pool_bytes(1, 1) == 16
    allowed = inspect.signature(guesses.GuessLimit).parameters["allowed"].default
    assert f"After {allowed} wrong credentials within a minute" in MANUAL
    assert f"limited to {allowed} wrong ones a minute" in SECURITY
    assert (guesses.WINDOW_SECONDS, guesses.TRUSTED_SECONDS) == (60, 3600)


def test_settings_that_are_taken_only_at_start() -> None:
    stated = set(re.findall(r"`([\w.]+)`", MANUAL.partition("Taken only at start:")[2].partition("and code.")[0]))

    for name in STARTUP_SETTINGS:
        assert {name, name.rpartition(".")[2]} & stated, name


def test_the_readme_of_the_redaction_lists_what_is_not_searched() -> None:
    text = " ".join((ROOT / "packages" / "regex-hider" / "README.md").read_text(encoding="utf-8").split())
    stated = text.partition("Not looked at:")[2].partition("becomes a string")[0]

    for words in (
        "paths", "native calls", "request headers", "headers of successful replies", "images, audio and PDF files",
        "numbers", "times",
    ):  # fmt: skip
        assert words in stated
        assert words.replace("numbers", "smaller numbers") in SECURITY


def test_a_roll_out_of_the_manifests_keeps_all_pods_and_takes_a_base_image_by_digest() -> None:
    deployment = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "deployment.yaml").read_text(encoding="utf-8"))
    image = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")

    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert set(re.findall(r"^FROM (\S+)", image, re.MULTILINE)) == {"${BASE}"}


def test_an_audit_that_can_not_be_made_is_reported_as_skipped() -> None:
    hidden = "import sys; sys.modules['pip_audit'] = None; sys.argv = ['audit']; import runpy"
    code = f"{hidden}; runpy.run_path({str(ROOT / 'tools' / 'audit.py')!r}, run_name='__main__')"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert found.stdout.startswith("SKIPPED")
    assert found.returncode == 0
