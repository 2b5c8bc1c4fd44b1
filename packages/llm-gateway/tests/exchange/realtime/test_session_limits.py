"""The bounds of a session are those of the configuration."""

from __future__ import annotations

from llm_gateway.config.schema import RealtimeConfig
from llm_gateway.exchange.realtime.session_limits import RealtimeLimits
from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text

ECHO = "models: [{name: m, isDefault: true, provider: {type: echo}}]\n"


def test_without_a_configuration_they_are_the_documented_ones() -> None:
    assert Gateway(load_text(ECHO)).services.realtime == RealtimeLimits()
    assert RealtimeLimits().message_bytes == RealtimeConfig().max_message_bytes == 16 * 1024 * 1024


def test_each_setting_reaches_the_session() -> None:
    settings = "{maxMessageBytes: 64KiB, maxSession: 10m, idleTimeout: 30s, ping: 0s, messagesPerSecond: 5}"

    limits = Gateway(load_text(f"server: {{realtime: {settings}}}\n{ECHO}")).services.realtime

    assert limits == RealtimeLimits(65_536, longest=600.0, silence=30.0, ping=0.0, messages_per_second=5.0)
