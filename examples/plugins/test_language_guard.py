from language_guard import LanguageGuard

from llm_gateway_sdk.testing import PluginHarness, assert_stream_invariant

WORDS = {"words": ["darn", "heck"]}


def test_words_are_starred_out_wherever_the_stream_is_cut():
    assert_stream_invariant(LanguageGuard, WORDS, texts="Well, darn it! What the Heck?", forbidden=["darn", "Heck"])


def test_words_that_merely_contain_them_stay():
    assert PluginHarness(LanguageGuard, WORDS).ask(reply="She darned a sock.").text == "She darned a sock."


def test_text_waits_for_the_end_of_a_word_and_no_longer():
    reply = PluginHarness(LanguageGuard, WORDS).stream(["Oh da", "rn, I ", "see"])

    assert [chunk.text for chunk in reply.chunks] == ["Oh ****, I ", "see"]
