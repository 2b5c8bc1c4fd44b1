"""What `llm-gateway start` prints: where the gateway listens, what it serves, a request to paste."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable

from llm_gateway import __version__
from llm_gateway.authenticating import is_authenticating
from llm_gateway.config.project import GatewayConfig, ProjectConfig
from llm_gateway.extensions import Extensions
from llm_gateway_sdk.errors import ConfigError


def banner(
    config: GatewayConfig, extensions: Extensions, *, host: str, port: int, source: str, notices: Iterable[str] = ()
) -> str:
    """The text, several lines."""
    address = f"http://{_reachable(host)}:{port}"
    everywhere = "" if is_loopback(host) else f"  (listens on {host}: other machines can reach it)"
    lines = [f"LLM Gateway {__version__}", "", f"  Address   {address}{everywhere}", f"  Config    {source}", ""]
    for project in config.projects.values():
        lines += _describe(project)
    if notices:
        lines += [f"  Notice    {notice}" for notice in notices] + [""]
    lines += ["  Try it", *(f"    {line}" for line in _curl(config, extensions, address)), ""]
    return "\n".join(lines)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def exposure_notice(config: GatewayConfig, extensions: Extensions, host: str) -> str | None:
    """A warning where other machines reach projects that ask for no credential; None where there are none."""
    if is_loopback(host):
        return None
    projects = reachable_without_key(config, extensions)
    if not projects:
        return None
    return (
        f"{host} can be reached from other machines, and these projects ask for no API key: {', '.join(projects)}. "
        "Anyone who can reach them spends your keys; add the plugin basic-apikey-auth."
    )


def reachable_without_key(config: GatewayConfig, extensions: Extensions) -> list[str]:
    """Projects that spend a provider's credentials and ask for no API key."""
    return [
        project.name
        for project in config.projects.values()
        if any(model.provider.type != "echo" and _has_key(model.provider.config) for model in project.models)
        and not any(_authenticates(plugin.type, extensions) for plugin in project.plugins)
    ]


def _has_key(settings: dict[str, object]) -> bool:
    return settings.get("credentials") != "client"


def _authenticates(plugin_type: str, extensions: Extensions) -> bool:
    try:
        extension = extensions.get("plugin", plugin_type)
    except ConfigError:
        return False
    return is_authenticating(extension.cls)


def _describe(project: ProjectConfig) -> list[str]:
    path = "/" if project.is_default_project else f"/{project.name}"
    about = f"  {project.description}" if project.description else ""
    models = [
        f"{model.name}{' (default)' if model.name == project.default_model else ''} [{model.provider.type}]"
        for model in project.models
    ]
    plugins = [
        plugin.name if plugin.name == plugin.type else f"{plugin.name} [{plugin.type}]" for plugin in project.plugins
    ]
    return [
        f"  Project   {path}{about}",
        f"    models    {', '.join(models) or 'none'}",
        f"    plugins   {', '.join(plugins) or 'none'}",
        f"    adapters  {', '.join(adapter.name for adapter in project.adapters) or 'none'}",
        "",
    ]


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _curl(config: GatewayConfig, extensions: Extensions, address: str) -> list[str]:
    """A request that works as printed: for the last project, in an API that it offers."""
    projects = [project for project in config.projects.values() if project.models and project.adapters]
    if not projects:
        return ["(no project has both a model and an adapter)"]
    project = projects[-1]
    base = address if project.is_default_project else f"{address}/{project.name}"
    names = {adapter.type: adapter.name for adapter in project.adapters}
    key = _example_key(project, extensions)
    body: dict[str, object] = {"model": project.default_model or project.models[0].name}
    body["messages"] = [{"role": "user", "content": "Hello, world!"}]
    if "anthropic" in names:
        body["max_tokens"] = 100
        path, header = f"/{names['anthropic']}/v1/messages", f"x-api-key: {key}"
    elif "openai" in names:
        path, header = f"/{names['openai']}/v1/chat/completions", f"Authorization: Bearer {key}"
    else:
        return [f"curl {base}/{project.adapters[0].name}/"]
    return [
        f"curl {base}{path} \\",
        f"  -H 'Content-Type: application/json' -H '{header}' \\",
        f"  -d '{json.dumps(body)}'",
    ]


def _example_key(project: ProjectConfig, extensions: Extensions) -> str:
    return "YOUR-KEY" if any(_authenticates(plugin.type, extensions) for plugin in project.plugins) else "nothing"
