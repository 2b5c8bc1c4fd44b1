"""What can be configured, its JSON Schema, and the rules that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .patterns import DEFAULT_REPLACEMENT, CompiledRule, Rule, RuleError, RuleSet
from .redaction.bounds import DEFAULT_MAX_SIZE, OnLimit

Direction = Literal["request", "response"]

_SHARED: dict[str, dict[str, Any]] = {
    "replacement": {
        "type": "string",
        "x-template": True,
        "description": "What replaces a match. `$1`, `$<name>`, `$&` give back parts of it; `$$` is a dollar sign.",
    },
    "blockOnMatch": {
        "type": "boolean",
        "description": "Refuse the request or the reply with status 400 instead of hiding the match.",
    },
    "caseSensitive": {"type": "boolean", "description": "Distinguish upper case from lower case."},
    "logMatches": {
        "type": "boolean",
        "description": "Log how often each pattern matched; the text is never logged.",
    },
}


def _with_default(name: str, default: object) -> dict[str, Any]:
    return {**_SHARED[name], "default": default}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["patterns"],
    "additionalProperties": False,
    "properties": {
        "patterns": {
            "type": "array",
            "description": "What to hide. The leftmost match wins; of several at one place, the pattern named first.",
            "items": {
                "type": "object",
                "required": ["pattern"],
                "additionalProperties": False,
                "properties": {
                    "pattern": {
                        "type": "string",
                        "minLength": 1,
                        "x-template": True,
                        "x-doubtful": {
                            r"^/.+/[dgimsuvy]*$": "the slashes are part of the pattern, so that it finds only text "
                            "between slashes; write it without them",
                            r"\\\\[dDwWsSb](?![A-Za-z])": "two backslashes find a backslash; outside double quotes of "
                            "YAML write one",
                        },
                        "description": "A regular expression with JavaScript's meaning.",
                    },
                    "applyTo": {
                        "enum": ["request", "response", "both"],
                        "default": "both",
                        "description": "Look for it in what clients send, in what models answer, or in both.",
                    },
                    "description": {
                        "type": "string",
                        "description": "What the pattern finds. It is named in refusals and logs in place of the text.",
                    },
                    **_SHARED,
                },
            },
        },
        "replacement": _with_default("replacement", DEFAULT_REPLACEMENT),
        "blockOnMatch": _with_default("blockOnMatch", False),
        "caseSensitive": _with_default("caseSensitive", False),
        "logMatches": _with_default("logMatches", False),
        "bufferConfig": {
            "type": "object",
            "description": "Bounds of what is held back of a stream.",
            "additionalProperties": False,
            "properties": {
                "maxSize": {
                    "type": "integer",
                    "minimum": 1,
                    "default": DEFAULT_MAX_SIZE,
                    "description": "Maximum characters that are held back of one text while it may become a match.",
                },
                "timeout": {
                    "type": ["number", "string"],
                    "description": "Accepted and ignored: text is sent as soon as it can't become a match.",
                },
                "flushOn": {
                    "description": "Accepted and ignored: text is sent as soon as it can't become a match.",
                },
            },
        },
        "onLimit": {
            "enum": ["mask", "refuse"],
            "default": "mask",
            "description": "When more than maxSize would have to be held: hide that text, or end the reply.",
        },
    },
    "examples": [
        {
            "patterns": [
                {"pattern": r"\b\d{3}-\d{2}-\d{4}\b", "replacement": "[REDACTED|SSN]"},
                {"pattern": r"[a-z0-9_.+-]+@[a-z0-9.-]+\.[a-z0-9.]+", "applyTo": "response"},
            ]
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The rules of each direction (None: none), and the bounds."""

    request: RuleSet | None
    response: RuleSet | None
    max_size: int
    on_limit: OnLimit
    logged: frozenset[int]
    """The patterns whose matches are counted in the log."""
    names: tuple[str, ...]
    """What each pattern finds: its description, or its place."""
    ignored: tuple[str, ...]
    """Settings that were given and have no effect."""


class PatternErrors(ValueError):
    """Everything that is wrong with the patterns."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)


def load_settings(config: Mapping[str, Any]) -> Settings:
    """From a configuration that satisfies SCHEMA. Raises PatternErrors."""
    rules: list[CompiledRule] = []
    errors: list[str] = []
    for index, entry in enumerate(config["patterns"]):
        try:
            rules.append(CompiledRule(index, _rule(entry, config)))
        except RuleError as error:
            errors.append(str(error))
    if errors:
        raise PatternErrors(errors)
    replacement = config.get("replacement", DEFAULT_REPLACEMENT)
    # Hidden for want of a verdict, there is no match that a template could draw upon.
    mask = DEFAULT_REPLACEMENT if "$" in replacement else replacement
    buffer = config.get("bufferConfig", {})
    patterns: Sequence[Mapping[str, Any]] = config["patterns"]
    log_all = config.get("logMatches", False)
    return Settings(
        request=_rule_set(rules, patterns, "request", mask),
        response=_rule_set(rules, patterns, "response", mask),
        max_size=buffer.get("maxSize", DEFAULT_MAX_SIZE),
        on_limit=config.get("onLimit", "mask"),
        logged=frozenset(index for index, entry in enumerate(patterns) if entry.get("logMatches", log_all)),
        names=tuple(entry.get("description") or f"patterns[{index}]" for index, entry in enumerate(patterns)),
        ignored=tuple(f"bufferConfig.{name}" for name in ("timeout", "flushOn") if name in buffer),
    )


def _rule(entry: Mapping[str, Any], config: Mapping[str, Any]) -> Rule:
    return Rule(
        pattern=entry["pattern"],
        replacement=entry.get("replacement", config.get("replacement", DEFAULT_REPLACEMENT)),
        case_sensitive=entry.get("caseSensitive", config.get("caseSensitive", False)),
        block=entry.get("blockOnMatch", config.get("blockOnMatch", False)),
        description=entry.get("description", ""),
    )


def _rule_set(
    rules: Sequence[CompiledRule], patterns: Sequence[Mapping[str, Any]], direction: Direction, mask: str
) -> RuleSet | None:
    chosen = [rule for rule in rules if patterns[rule.index].get("applyTo", "both") in (direction, "both")]
    return RuleSet(chosen, mask=mask) if chosen else None
