from types import SimpleNamespace

from webhook_audit import WebhookAudit

from llm_gateway_sdk.testing import PluginHarness


class FakeClient:
    def __init__(self, status=200):
        self.posted = []
        self.status = status

    async def post(self, url, *, json, timeout):
        self.posted.append((url, json))
        return SimpleNamespace(status_code=self.status)


def audited(client):
    return PluginHarness(WebhookAudit, {"url": "https://audit.test/"}, http_client=client)


def test_every_request_is_reported_with_its_outcome():
    client = FakeClient()
    harness = audited(client)
    harness.ask("two words", reply="three more words", caller="ann")
    harness.fail(429)

    (url, line), (_, failed) = client.posted
    assert url == "https://audit.test/"
    assert (line["caller"], line["status"], line["input_tokens"], line["output_tokens"]) == ("ann", 200, 2, 3)
    assert (failed["status"], failed["error"]) == (429, "The scripted model fails with 429.")


def test_a_webhook_that_is_down_is_logged_and_no_matter_for_the_client(caplog):
    reply = audited(FakeClient(status=500)).ask()

    assert (reply.status, reply.detached) == (200, {"webhook-audit": None})
    assert "the audit webhook answered 500" in caplog.text
