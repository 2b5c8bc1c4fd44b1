"""The page "Which model takes what", as Markdown, from the book."""

from __future__ import annotations

from collections.abc import Iterable

from llm_gateway_sdk.model_facts import ModelFacts, Prices

from .book import Book, BookEntry

__all__ = ["models_page"]

_HEAD = """\
# Which model takes what

This page is made from the model book: `llm-gateway models list --all --markdown`. Every entry of the book has a source
and the day on which it was read; `llm-gateway models show NAME` prints them, with all prices and their source (cache,
batch and priority tiers, long inputs, audio, calls of the vendor's tools). Prices here are list prices in US dollars
per million tokens, of the standard tier and short inputs.

The gateway asks the book once per model name, and uses the answer everywhere: to fit requests to what a model takes,
for costs in metrics and traces, and for budgets. What is wrong for you, the configuration corrects:

```yaml
models:
  - name: house
    provider: {type: openai, config: {baseUrl: "https://llm.example.com/v1", apiKey: "${HOUSE_KEY}", model: house-7}}
    facts: {contextWindow: 128000, maxOutput: 16000, sampling: all, forcedTools: true}
    prices: {input: 1.2, output: 4.8, cacheRead: 0.3}
```

A name is found as its vendor, Bedrock, Vertex, Azure, OpenRouter, Groq or Ollama spells it, with or without a date. A
name that the book does not have is taken for the newest model of its family: the facts are used, and the price is
marked as assumed, so that no cost in metrics and traces is built on it.

| column | meaning |
|---|---|
| sampling | `temperature`, `top_p`, `top_k`: all, one of them at a time, or none |
| thinking | how reasoning is asked for; `always`: can't be switched off, `off`: can |
| forced | a tool can be forced |
| schema | answers by a JSON schema are guaranteed |
| strict | so are the arguments of tools with `strict` |
| prefill | the conversation may end with the assistant's turn |
| retires | the day from which the vendor may refuse it |
| source | where and when the facts were read |

An empty field is unknown.
"""


def models_page(book: Book) -> str:
    """Models that generate text, by host; of Bedrock those without a region in their name."""
    hosts: dict[str, list[BookEntry]] = {}
    for entry in book.entries():
        if "text" in (entry.facts.output or ()) and entry.facts.endpoints and _is_general(entry):
            hosts.setdefault(entry.host, []).append(entry)
    parts = [_HEAD]
    for host, entries in hosts.items():
        parts.append(f"\n## {host}\n\n{_table(entries)}")
    return "".join(parts)


def _is_general(entry: BookEntry) -> bool:
    regional = entry.host == "amazon" and entry.name.partition(".")[0] in (
        "us", "eu", "apac", "au", "jp", "global", "us-gov", "ca", "sa",
    )  # fmt: skip
    return not regional


_COLUMNS = (
    "model", "context", "output", "in $", "out $", "cached $", "input", "sampling", "thinking", "forced", "schema",
    "strict", "prefill", "retires", "source",
)  # fmt: skip


def _table(entries: Iterable[BookEntry]) -> str:
    lines = [f"| {' | '.join(_COLUMNS)} |", "|" + "---|" * len(_COLUMNS)]
    lines += [f"| {' | '.join(_row(entry.name, entry.facts, entry.prices))} |" for entry in entries]
    return "\n".join(lines) + "\n"


def _row(name: str, facts: ModelFacts, prices: Prices | None) -> list[str]:
    rates = prices.rates() if prices is not None else None
    return [
        f"`{name}`",
        _count(facts.context_window),
        _count(facts.max_output),
        *(_dollars(getattr(rates, kind, None)) for kind in ("input", "output", "cache_read")),
        ", ".join(sorted(facts.input or ())),
        facts.sampling or "",
        ", ".join(sorted(facts.thinking)) or "none" if facts.thinking is not None else "",
        _yes(facts.forced_tools),
        _yes(facts.structured),
        _yes(facts.strict_tools),
        _yes(facts.prefill),
        facts.retires or "",
        _source(facts),
    ]


def _source(facts: ModelFacts) -> str:
    return f"[{facts.checked}]({facts.source})" if facts.source.startswith("https://") else facts.checked


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _dollars(nanos: int | None) -> str:
    return "" if nanos is None else f"{nanos / 1e9:g}"


def _yes(flag: bool | None) -> str:
    return {None: "", True: "yes", False: "no"}[flag]
