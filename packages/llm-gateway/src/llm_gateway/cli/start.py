"""`llm-gateway start`."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from .commands import DEFAULT_FILE, ExampleCommand, config_option
from .output import refuse

__all__ = ["command"]

_EXAMPLES = """\
examples:
  llm-gateway start                                  # ./gateway.yaml where there is one
  llm-gateway start --config gateway.yaml
  llm-gateway start -c gateway.yaml --port 8080 --log-level debug
  llm-gateway start -c gateway.yaml --reload         # apply changes of the file while running
  llm-gateway start -c gateway.yaml --workers 4      # one process per core
  llm-gateway start --no-config                      # the providers whose keys are in the environment

environment (an option on the command line wins, the configuration file comes last):
  LLM_GATEWAY_CONFIG, LLM_GATEWAY_HOST, LLM_GATEWAY_PORT or PORT, LLM_GATEWAY_WORKERS, LLM_GATEWAY_LOG_LEVEL,
  LLM_GATEWAY_STATE_DIR (where files of a SQLite store are; else next to the configuration)
"""


class _PortOption(click.Option):
    """A port from the environment.

    In Kubernetes a service named `llm-gateway` sets LLM_GATEWAY_PORT in every pod to an address such as
    `tcp://10.0.0.1:80`, which is not meant for the gateway.
    """

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        names = [self.envvar] if isinstance(self.envvar, str) else list(self.envvar or ())
        values = (os.environ.get(name, "").strip() for name in names)
        return next((value for value in values if value and "://" not in value), None)


@contextmanager
def _collector_off() -> Iterator[None]:
    """While modules are loaded there is nothing to collect; whatever serves switches the collector on."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@click.command(
    "start",
    cls=ExampleCommand,
    epilog=_EXAMPLES,
    help="Start the gateway with ./gateway.yaml or the file of --config. Without either it serves the providers whose "
    "keys are in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, …), else the built-in `echo`, on this machine "
    "only.",
)
@config_option(required_file=False)
@click.option("--no-config", is_flag=True, help="ignore ./gateway.yaml")
@click.option("--host", envvar="LLM_GATEWAY_HOST", help="address to listen on, instead of `server.host`")
@click.option(
    "--port",
    cls=_PortOption,
    type=click.IntRange(0, 65535),
    envvar=["LLM_GATEWAY_PORT", "PORT"],
    help="port to listen on, instead of `server.port`",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    envvar="LLM_GATEWAY_WORKERS",
    help="worker processes, instead of `server.workers`",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    envvar="LLM_GATEWAY_LOG_LEVEL",
    help="instead of `logging.level`",
)
@click.option("--reload", is_flag=True, help="apply changes of the configuration while running")
@_collector_off()
def command(
    config: str | None,
    no_config: bool,
    host: str | None,
    port: int | None,
    workers: int | None,
    log_level: str | None,
    reload: bool,
) -> int:
    """Serves until a signal ends it."""
    from llm_gateway.banner import banner, exposure_notice, is_loopback
    from llm_gateway.loading import load
    from llm_gateway.server.logs import configure_logging, mask_secrets_of

    if no_config and config is not None:
        return refuse("--no-config and --config exclude each other.")
    if config is None and not no_config and Path(DEFAULT_FILE).is_file():
        config = DEFAULT_FILE
    if config is None and host is not None and not is_loopback(host):
        return refuse(
            f"without a configuration it listens on this machine only, not on {host}: anyone who can reach it would "
            "spend your keys. Write a configuration (llm-gateway init) that has basic-apikey-auth in it."
        )
    if config is None and reload:
        return refuse("--reload watches the configuration file; without one there is nothing to watch.")
    result = load(config)
    server = result.config.server
    host = server.host if host is None else host
    port = server.port if port is None else port
    try:
        port = _available(host, port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return refuse(f"can't listen on {host} port {port}: {reason}. Another port: --port {port + 1}", code=1)
    source = str(result.source) if result.source else "none; `llm-gateway init` writes one to start from"
    notices = list(result.notices)
    exposed = exposure_notice(result.config, result.extensions, host)
    if exposed is not None:
        notices.append(exposed)
    if result.config.logging.format == "simple":
        click.echo(banner(result.config, result.extensions, host=host, port=port, source=source, notices=notices))
        sys.stdout.flush()
    mask_secrets_of(result.config)
    configure_logging(result.config.logging, log_level)
    log = logging.getLogger("llm_gateway")
    for notice in notices:
        log.warning("%s", notice)
    from llm_gateway.server.serving import serve

    count = workers if workers is not None else server.workers
    return serve(result, host=host, port=port, workers=count, reload=reload, log_level=log_level)


def _available(host: str, port: int) -> int:
    """The port that can be listened on: itself, or a free one for 0. Nothing is started. Raises OSError."""
    import socket

    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])
