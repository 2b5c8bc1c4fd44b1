"""Installs the gateways that ours is compared with, from their public packages, at pinned versions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["PEERS", "install", "peers_folder"]

_NODE_PACKAGES: dict[str, dict[str, Any]] = {
    # The plugin SDK asks for itself at a version that the registry no longer has.
    "nullplatform": {
        "dependencies": {"@nullplatform/llm-gateway": "2.0.11", "@nullplatform/llm-gateway-sdk": "2.0.2"},
        "overrides": {"@nullplatform/llm-gateway-sdk": "2.0.2"},
    },
    # With newer ones every stream ends in a 500 ("immutable").
    "portkey": {
        "dependencies": {"@portkey-ai/gateway": "1.15.2"},
        "overrides": {"hono": "4.9.7", "@hono/node-server": "1.13.7"},
    },
}
_LITELLM = "litellm[proxy]==1.106.2"

PEERS = ("nginx", *_NODE_PACKAGES, "litellm")


def peers_folder() -> Path:
    return Path(os.environ.get("BENCH_PEERS") or Path.home() / ".cache" / "llm-gateway-benchmarks" / "peers")


def install(names: Sequence[str]) -> None:
    """Raises CalledProcessError where a package manager fails."""
    for name in names:
        if name == "nginx":
            _install_nginx()
        elif name == "litellm":
            _install_litellm(peers_folder() / name)
        else:
            _install_node(peers_folder() / name, _NODE_PACKAGES[name])


def _install_nginx() -> None:
    if shutil.which("nginx") or Path("/usr/sbin/nginx").exists():
        return
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*as_root, "apt-get", "install", "-y", "--no-install-recommends", "nginx-light"], check=True)


def _install_node(folder: Path, package: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"private": True, **package}, indent=2))
    subprocess.run(["npm", "install", "--omit=dev", "--no-audit", "--no-fund"], cwd=folder, check=True)


def _install_litellm(folder: Path) -> None:
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    uv = shutil.which("uv")
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    subprocess.run([*pip, "--quiet", _LITELLM], check=True)
