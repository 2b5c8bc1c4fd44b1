"""The configuration with which Codex asks a gateway."""

from __future__ import annotations

from pathlib import Path

__all__ = ["codex_home"]


def codex_home(folder: Path, url: str, model: str, more: str = "") -> Path:
    """Writes `config.toml` for the gateway at `url` into a new folder below `folder`, and returns that one. `more` is
    further TOML."""
    home = folder / "codex"
    home.mkdir()
    (home / "config.toml").write_text(
        f"""
model = "{model}"
model_provider = "gateway"
approval_policy = "never"
sandbox_mode = "danger-full-access"

[model_providers.gateway]
name = "gateway"
base_url = "{url}/openai/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
{more}"""
    )
    return home
