from pii_vault import PIIVault

from llm_gateway_sdk.testing import PluginHarness, assert_stream_invariant, assert_survives_every_part, tool_call

ASKED = "Write to ann@example.com and bob@example.com, but not to ann@example.com twice."


def test_the_model_sees_placeholders_and_the_client_addresses():
    reply = PluginHarness(PIIVault).ask(ASKED, reply=["To <address-2>: hi.", tool_call("mail", {"to": "<address-1>"})])

    asked = reply.requests[0].messages[0].text
    assert asked == "Write to <address-1> and <address-2>, but not to <address-1> twice."
    assert reply.text == "To bob@example.com: hi."
    assert reply.tool_calls[0].arguments == '{"to": "ann@example.com"}'


def test_a_placeholder_that_falls_on_a_cut_is_restored():
    for cut in range(1, 12):
        reply = PluginHarness(PIIVault).stream(["<address-1>."[:cut], "<address-1>."[cut:]], ASKED)

        assert reply.text == "ann@example.com."


def test_text_is_held_only_while_it_may_become_a_placeholder():
    reply = PluginHarness(PIIVault).stream(["a ", "<add", "ition> ", "b"], ASKED)

    assert [chunk.text for chunk in reply.chunks] == ["a ", "<addition> ", "b"]


def test_streams_are_the_same_however_they_are_cut():
    assert_stream_invariant(PIIVault, texts="a <address-1> and <addr <b> <address-99999999> <")
    assert_survives_every_part(PIIVault)
