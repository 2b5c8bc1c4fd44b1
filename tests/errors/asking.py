"""One question to the gateway in each API's words, over plain HTTP and through the official SDKs."""

from __future__ import annotations

import json
import warnings
from typing import Any

import anthropic
import httpx
import openai
from served_gateway import ServedGateway

CLIENTS = ("openai_chat", "openai_responses", "anthropic", "gemini")


def post(
    gateway: ServedGateway, client: str, model: str, text: str, *, stream: bool = False, project: str = "", **more: Any
) -> httpx.Response:
    """The reply to a request that asks `text` of `model`; `more` are fields of the body."""
    path, body = request_of(client, model, text, stream=stream)
    with gateway.http() as http:
        return http.post(project + path, json={**body, **more})


def request_of(client: str, model: str, text: str, *, stream: bool = False) -> tuple[str, dict[str, Any]]:
    """Path and body."""
    messages = [{"role": "user", "content": text}]
    switch = {"stream": True} if stream else {}
    if client == "openai_chat":
        return "/openai/v1/chat/completions", {"model": model, "messages": messages, **switch}
    if client == "openai_responses":
        return "/openai/v1/responses", {"model": model, "input": text, "store": False, **switch}
    if client == "anthropic":
        return "/anthropic/v1/messages", {"model": model, "messages": messages, "max_tokens": 50, **switch}
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/gemini/v1beta/models/{model}:{method}", {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def text_of(client: str, body: dict[str, Any]) -> str:
    """The text of a reply."""
    if client == "openai_chat":
        return str(body["choices"][0]["message"]["content"])
    if client == "openai_responses":
        return "".join(part["text"] for item in body["output"] for part in item.get("content") or [])
    if client == "anthropic":
        return "".join(block.get("text", "") for block in body["content"])
    return "".join(part.get("text", "") for part in body["candidates"][0]["content"]["parts"])


def events_of(reply: httpx.Response) -> list[Any]:
    """The data of each event."""
    lines = [line[6:] for line in reply.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def error_of(client: str, body: dict[str, Any]) -> tuple[str, str | None, str]:
    """Type (for Google the status word), code and message of an error."""
    error = body["error"]
    if client == "gemini":
        return error["status"], None, error["message"]
    return error["type"], error.get("code"), error["message"]


def sdk_error(gateway: ServedGateway, client: str, model: str, text: str, *, stream: bool = False) -> Exception:
    """What the official SDK raises."""
    messages: Any = [{"role": "user", "content": text}]
    try:
        if client == "openai_chat":
            reply: Any = gateway.openai().chat.completions.create(model=model, messages=messages, stream=stream)
        elif client == "openai_responses":
            reply = gateway.openai().responses.create(model=model, input=text, stream=stream)
        else:
            reply = gateway.anthropic().messages.create(model=model, messages=messages, max_tokens=50, stream=stream)
        if stream:
            for event in reply:
                if getattr(event, "type", "") == "response.failed":
                    return RuntimeError(event.response.error.code)
    except (openai.OpenAIError, anthropic.AnthropicError) as error:
        return error
    raise AssertionError("nothing was raised")


def google_error(gateway: ServedGateway, model: str, text: str) -> Exception:
    """What Google's SDK raises; its import warns of what it uses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google import genai
        from google.genai import errors, types

        options = types.HttpOptions(
            base_url=f"{gateway.url}/gemini", retry_options=types.HttpRetryOptions(attempts=1), timeout=20_000
        )
        with genai.Client(api_key="sk-test", http_options=options) as client:
            try:
                client.models.generate_content(model=model, contents=text)
            except errors.APIError as error:
                return error
    raise AssertionError("nothing was raised")
