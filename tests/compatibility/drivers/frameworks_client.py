"""LangChain and LiteLLM: a loop with tools on each model, through each of their ways to an API. Reads a plan from
standard input and writes what it saw."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

litellm.telemetry = False
litellm.suppress_debug_info = True

PLAN: dict[str, Any] = json.load(sys.stdin)
V1, ROOT, KEY = PLAN["url"] + "/v1", PLAN["url"], "sk-test"
STEPS = 4


@tool
def weather(city: str) -> str:
    """Reports the weather."""
    result: str = PLAN["results"][city]
    return result


def langchain(make: Callable[[str], Any], model: str, streamed: bool) -> dict[str, Any]:
    messages: list[Any] = [HumanMessage(PLAN["prompt"])]
    bound = make(model).bind_tools([weather])
    cities: list[str] = []
    for _ in range(STEPS):
        if streamed:
            answer = None
            for chunk in bound.stream(messages):
                answer = chunk if answer is None else answer + chunk
        else:
            answer = bound.invoke(messages)
        assert answer is not None
        messages.append(answer)
        for call in answer.tool_calls:
            cities.append(call["args"]["city"])
            messages.append(weather.invoke(call))
        if not answer.tool_calls:
            break
    return {"calls": cities, "text": str(answer.text)}


LANGCHAIN: dict[str, Callable[[str], Any]] = {
    "langchain chat": lambda model: ChatOpenAI(model=model, base_url=V1, api_key=KEY, max_retries=0),
    "langchain responses": lambda model: ChatOpenAI(
        model=model, base_url=V1, api_key=KEY, max_retries=0, use_responses_api=True
    ),
    "langchain messages": lambda model: ChatAnthropic(
        model=model, base_url=ROOT, api_key=KEY, max_retries=0, max_tokens=4000,
        thinking={"type": "enabled", "budget_tokens": 2000},
    ),
    "langchain generate": lambda model: ChatGoogleGenerativeAI(
        model=model, base_url=ROOT, api_key=KEY, max_retries=0, include_thoughts=True
    ),
}  # fmt: skip
LITELLM = {
    "litellm chat": ("openai/", V1),
    "litellm responses": ("openai/responses/", V1),
    "litellm proxy": ("litellm_proxy/", V1),
    "litellm messages": ("anthropic/", ROOT),
}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "x", "parameters": PARAMETERS}}]


def with_litellm(prefix: str, base: str, model: str, streamed: bool) -> dict[str, Any]:
    messages: list[Any] = [{"role": "user", "content": PLAN["prompt"]}]
    asked = {"model": prefix + model, "api_base": base, "api_key": KEY, "tools": TOOLS, "num_retries": 0}
    cities: list[str] = []
    for _ in range(STEPS):
        if streamed:
            chunks = list(litellm.completion(messages=messages, stream=True, **asked))
            answer = litellm.stream_chunk_builder(chunks, messages=messages)
        else:
            answer = litellm.completion(messages=messages, **asked)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            city = json.loads(call.function.arguments)["city"]
            cities.append(city)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": PLAN["results"][city]})
        if not message.tool_calls:
            break
    return {"calls": cities, "text": message.content}


def main() -> None:
    seen: dict[str, Any] = {}
    for model in PLAN["models"]:
        for streamed in (False, True):
            mode = "streamed" if streamed else "whole"
            ways = [(name, partial(langchain, make)) for name, make in LANGCHAIN.items()]
            ways += [(name, partial(with_litellm, *way)) for name, way in LITELLM.items()]
            for name, run in ways:
                try:
                    seen[f"{name} {model} {mode}"] = run(model, streamed)
                except Exception as error:
                    seen[f"{name} {model} {mode}"] = {"failed": f"{type(error).__name__}: {error}"[:500]}
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
