"""The author of a guardrail learns in the first streamed test that the plugin is left out of streamed replies."""

from __future__ import annotations

import warnings

import pytest

from llm_gateway_sdk import Plugin, ResponseContext, plugin_metadata
from llm_gateway_sdk.testing import PluginHarness


@plugin_metadata(name="guard")
class Guard(Plugin):
    async def after_model(self, ctx: ResponseContext) -> None:
        ctx.response.message.text  # noqa: B018


@plugin_metadata(name="quiet-guard")
class QuietGuard(Guard):
    on_stream = "skip"


def test_a_streamed_request_warns() -> None:
    with pytest.warns(UserWarning, match="plugin 'guard' has after_model and no after_chunk"):
        PluginHarness(Guard).stream(["a", "b"])


def test_a_whole_reply_and_a_declared_gap_do_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PluginHarness(Guard).ask()
        PluginHarness(QuietGuard).stream(["a", "b"])
