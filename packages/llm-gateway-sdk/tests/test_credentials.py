import asyncio
import base64
import json

import pytest

from llm_gateway_sdk.credentials import CredentialUnavailable, Token, TokenSource, expiry_of_jwt


class Issuer:
    """Issues numbered tokens that last for 1000 seconds of its clock."""

    def __init__(self, *, delay=0.0):
        self.now, self.issued, self.fails, self.delay, self.lifetime = 1000.0, 0, False, delay, 1000.0

    async def __call__(self):
        self.issued += 1
        number = self.issued
        await asyncio.sleep(self.delay)
        if self.fails:
            raise OSError("the token endpoint refused secret-client-secret")
        return Token(f"token-{number}", self.now + self.lifetime)

    def source(self, **more):
        return TokenSource(self, "cloud", clock=lambda: self.now, **more)


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_one_fetch_serves_all_who_wait_and_all_who_come_later():
    async def scenario():
        issuer = Issuer(delay=0.02)
        source = issuer.source()
        await asyncio.gather(*(source.ready() for _ in range(50)))
        assert (source.value, issuer.issued) == ("token-1", 1)
        await source.ready()
        assert issuer.issued == 1

    run(scenario)


def test_a_token_is_replaced_before_it_ends_without_waiting():
    async def scenario():
        issuer = Issuer()
        source = issuer.source()
        await source.ready()
        issuer.now += 900
        issuer.delay = 0.05
        began = asyncio.get_running_loop().time()
        await source.ready()
        assert source.value == "token-1"
        assert asyncio.get_running_loop().time() - began < 0.04
        await asyncio.sleep(0.1)
        assert source.value == "token-2"
        assert set(source.known()) == {"token-1", "token-2"}

    run(scenario)


def test_a_failed_refresh_leaves_the_present_token_until_it_ends():
    async def scenario():
        issuer = Issuer()
        source = issuer.source()
        await source.ready()
        issuer.fails = True
        issuer.now += 900
        await source.ready()
        await asyncio.sleep(0.01)
        assert source.value == "token-1"
        issuer.now += 200
        with pytest.raises(CredentialUnavailable) as failed:
            await source.ready()
        assert failed.value.status == 502
        assert "secret" not in str(failed.value)
        issuer.fails = False
        issuer.now += 10
        await source.ready()
        assert source.value is not None

    run(scenario)


def test_after_a_failure_the_endpoint_is_left_alone_for_a_while():
    async def scenario():
        issuer = Issuer()
        issuer.fails = True
        source = issuer.source()
        for _ in range(20):
            with pytest.raises(CredentialUnavailable):
                await source.ready()
        assert issuer.issued == 1
        issuer.now += 6
        with pytest.raises(CredentialUnavailable):
            await source.ready()
        assert issuer.issued == 2

    run(scenario)


def test_a_fetch_that_does_not_end_is_given_up():
    async def scenario():
        issuer = Issuer(delay=60)
        with pytest.raises(CredentialUnavailable):
            await issuer.source(timeout=0.05).ready()

    run(scenario)


def test_who_leaves_while_waiting_takes_nothing_from_the_others():
    async def scenario():
        issuer = Issuer(delay=0.05)
        source = issuer.source()
        leaver, stayer = asyncio.create_task(source.ready()), asyncio.create_task(source.ready())
        await asyncio.sleep(0.01)
        leaver.cancel()
        await stayer
        assert (source.value, issuer.issued) == ("token-1", 1)

    run(scenario)


def test_a_refused_token_is_not_used_again():
    async def scenario():
        issuer = Issuer()
        source = issuer.source()
        await source.ready()
        source.refused("an older one")
        assert source.value == "token-1"
        source.refused("token-1")
        await source.ready()
        assert source.value == "token-2"

    run(scenario)


def test_a_token_that_has_ended_already_is_not_a_credential():
    async def scenario():
        issuer = Issuer()
        issuer.lifetime = -1
        with pytest.raises(CredentialUnavailable):
            await issuer.source().ready()

    run(scenario)


def test_the_end_of_a_json_web_token():
    def jwt(claims):
        return f"eyJhbGciOiJub25lIn0.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"

    assert expiry_of_jwt(jwt({"exp": 1234})) == 1234
    for other in (jwt({}), jwt([]), jwt({"exp": "soon"}), "a.b.c", "opaque", "a.é.c"):
        assert expiry_of_jwt(other) is None
