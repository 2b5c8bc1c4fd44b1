import pytest

from llm_gateway.extensions import installed
from llm_gateway.plugin_checks import mistakes
from llm_gateway_sdk import Plugin


def said(**methods):
    return list(mistakes(type("Mine", (Plugin,), methods)))


def takes_nothing(self):
    pass


def takes_one(self, ctx):
    pass


def takes_more(self, ctx, other=None, *rest, **options):
    pass


async def later(self, phase, ctx):
    pass


def generator(self, ctx):
    yield


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("afterModel", "after_model"),
        ("before_modle", "before_model"),
        ("onModelError", "on_model_error"),
        ("validateConfig", "validate_config"),
        ("detached_after_reponse", "detached_after_response"),
    ],
)
def test_a_misspelt_hook_is_told_with_file_and_line(name, meant):
    (message,) = said(**{name: takes_one})

    assert f"`{name}`, which is never called; did you mean `{meant}`?" in message
    assert message.startswith(f"{__file__}:{takes_one.__code__.co_firstlineno}: ")


@pytest.mark.parametrize("name", ["prepare", "before", "model", "_after_modle", "count_tokens", "closed"])
def test_methods_of_its_own_are_no_mistake(name):
    assert said(**{name: takes_one}) == []


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("after_model", takes_nothing, "must take (self, ctx), not (self)"),
        ("close", takes_one, "must take (self), not (self, ctx)"),
        ("before_model", generator, "must return its result"),
        ("wants", later, "must be a plain `def`"),
    ],
)
def test_a_hook_that_can_not_be_called_is_told(name, function, words):
    assert words in said(**{name: function})[0]


def test_further_optional_arguments_are_no_mistake():
    assert said(before_model=takes_more, after_chunk=takes_one) == []


def test_an_inherited_mistake_is_found():
    base = type("Base", (Plugin,), {"afterModel": takes_one})

    assert len(list(mistakes(type("Mine", (base,), {})))) == 1


def test_the_installed_plugins_have_none():
    for extension in installed().all("plugin"):
        assert list(mistakes(extension.cls)) == []
