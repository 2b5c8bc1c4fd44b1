"""Which projects can authenticate from a request's head alone."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from llm_gateway_sdk import HookChain, MountedPlugin, Plugin


class _Head(Plugin):
    authenticates = True
    authenticates_from_head = True

    def before_model(self, ctx: Any) -> None:
        return None


class _Body(_Head):
    authenticates_from_head = False


class _Selective(_Head):
    operations: ClassVar[frozenset[str]] = frozenset({"generate"})


class _Other(Plugin):
    def before_model(self, ctx: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("plugins", "count"),
    [
        ([_Head()], 1),
        ([_Head(), _Other(), _Head()], 2),
        ([_Head(), _Body()], 0),
        ([_Selective()], 0),
        ([_Other()], 0),
        ([], 0),
    ],
)
def test_all_authenticating_plugins_must_need_the_head_alone(plugins: list[Plugin], count: int) -> None:
    chain = HookChain([MountedPlugin(f"p{number}", plugin) for number, plugin in enumerate(plugins)])

    assert len(chain.head_authentication()) == count


def test_a_condition_may_need_the_body() -> None:
    mounted = MountedPlugin("p", _Head())
    mounted.condition = lambda ctx: True

    assert HookChain([mounted]).head_authentication() == []
