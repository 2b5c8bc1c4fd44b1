"""People with cookies, who use the console of a gateway."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from llm_gateway.testing import GatewayClient

__all__ = ["ADMIN", "CONFIGURATION", "OPERATOR", "VIEWER", "Person"]

ADMIN, OPERATOR, VIEWER = "admin-credential-0123456789", "operator-credential-012345", "viewer-credential-01234567"

CONFIGURATION = f"""
admin:
  enabled: true
  apiKey: {ADMIN}
  credentials:
    - {{name: otto, key: {OPERATOR}, role: operator}}
    - {{name: vera, key: {VIEWER}, role: viewer}}
store: {{url: "sqlite:./state.db"}}
models:
  - name: echo
    isDefault: true
    provider: {{type: echo}}
    metadata: {{prices: {{input: 1, output: 10}}}}
plugins:
  - {{name: console, type: console, config: {{signedInPrincipals: true}}}}
  - {{name: keys, type: virtual-keys}}
  - name: limits
    type: limits
    config:
      ledger: true
      usage: hour
      limits:
        - {{name: few, requests: 3, window: 1h, per: [key]}}
        - {{name: of-team, requests: 50, window: 1h, per: [team]}}
"""


class Person:
    """A browser without a screen: cookies, forms, tokens."""

    def __init__(self, gateway: GatewayClient) -> None:
        self.gateway = gateway
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Any:
        return self._keep(self.gateway.get(f"/console{path}", headers={**self._cookie(), **headers}))

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Any:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode(fields).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._keep(
            self.gateway.request(
                "POST", f"/console{path}", body=body, headers={**kind, **self._cookie(), **headers}
            )
        )  # fmt: skip

    def sign_in(self, credential: str) -> Person:
        assert self.post("/sign-in", {"credential": credential}).status == 303
        return self

    @property
    def token(self) -> str:
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.get("/health").text)
        assert found is not None
        return found[1]

    def _cookie(self) -> dict[str, str]:
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def _keep(self, answer: Any) -> Any:
        if "set-cookie" in answer.headers:
            cookie, _, content = answer.headers["set-cookie"].partition(";")[0].partition("=")
            self.cookies[cookie] = content.strip('"')
        return answer
