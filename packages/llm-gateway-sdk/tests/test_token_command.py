import asyncio
import sys
import time

import pytest

from llm_gateway_sdk.token_command import TokenCommand, read_token

END = 4102444800
"""2100-01-01, in seconds."""


@pytest.mark.parametrize(
    ("output", "value", "lifetime"),
    [
        (b"ya29.abc\n", "ya29.abc", None),
        (b'{"access_token": "a", "expires_in": 100}', "a", 100),
        (b'{"access_token": "a", "expires_in": "100"}', "a", 100),
        (b'{"accessToken": "a", "expires_on": 4102444800}', "a", END),
        (b'{"accessToken": "a", "expiresOn": "2100-01-01 00:00:00.000000+00:00"}', "a", END),
        (b'{"status": {"token": "a", "expirationTimestamp": "2100-01-01T00:00:00Z"}}', "a", END),
        (b'{"token": "a", "expiry": "not a time"}', "a", None),
    ],
)
def test_what_programs_print(output, value, lifetime):
    token = read_token(output)

    assert token.value == value
    assert (token.expires is None) == (lifetime is None)
    if lifetime is not None:
        assert token.expires == pytest.approx(lifetime if lifetime == END else time.time() + lifetime, abs=60)
    assert value not in repr(token)


@pytest.mark.parametrize("output", [b"", b"ERROR: log in first", b"{", b"{}", b'{"token": 5}', b'{"status": {}}'])
def test_what_is_not_a_token(output):
    with pytest.raises(ValueError, match="program") as refused:
        read_token(output)
    assert "log in first" not in str(refused.value)


def test_a_lifetime_is_for_tokens_that_do_not_say_theirs():
    assert read_token(b"opaque", 60).expires == pytest.approx(time.time() + 60, abs=5)
    assert read_token(b'{"token": "a", "expires_in": 900}', 60).expires == pytest.approx(time.time() + 900, abs=5)


def test_a_program_is_called_without_a_shell():
    command = TokenCommand([sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME;`id`"])

    assert asyncio.run(command()).value == "$HOME;`id`"
    assert TokenCommand("gcloud auth 'print access'").arguments == ["gcloud", "auth", "print access"]


def test_a_program_that_fails_or_is_not_there():
    failing = TokenCommand([sys.executable, "-c", "import sys; print('secret'); sys.exit(3)"])
    with pytest.raises(ValueError, match="status 3") as failed:
        asyncio.run(failing())
    assert "secret" not in str(failed.value)
    assert "no program" in (TokenCommand("no-such-program-here x").problem() or "")
    with pytest.raises(ValueError, match="empty"):
        TokenCommand(" ")


def test_a_program_that_hangs_is_ended():
    async def scenario():
        command = TokenCommand([sys.executable, "-c", "import time; time.sleep(60)"])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await command()

    began = time.monotonic()
    asyncio.run(scenario())
    assert time.monotonic() - began < 10
