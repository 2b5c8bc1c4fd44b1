from rate_limiter import RateLimiter

from llm_gateway_sdk.testing import PluginHarness


def test_the_request_too_many_is_refused_until_time_has_passed():
    now = 100.0

    class Clocked(RateLimiter):
        metadata = RateLimiter.metadata
        clock = staticmethod(lambda: now)

    harness = PluginHarness(Clocked, {"perMinute": 2})
    assert [harness.ask(caller="ann").status for _ in range(3)] == [200, 200, 429]
    assert harness.ask(caller="ann").error.retry_after == 30.0
    assert harness.ask(caller="bob").status == 200

    now += 31
    assert harness.ask(caller="ann").status == 200


def test_the_unknown_are_counted_by_address():
    harness = PluginHarness(RateLimiter, {"perMinute": 1})

    assert [harness.ask(client_ip=ip).status for ip in ("10.0.0.1", "10.0.0.2", "10.0.0.1")] == [200, 200, 429]
