"""Redaction of sensitive text by regular expressions, streams included, for LLM Gateway."""

__version__ = "0.1.0"

from .patterns import Rule, RuleError, RuleSet, compile_rules
from .plugin import RegexHider
from .redaction.json_text import JSONRedactor, redact_json
from .redaction.redactor import StreamRedactor
from .redaction.whole_texts import redact

__all__ = [
    "JSONRedactor",
    "RegexHider",
    "Rule",
    "RuleError",
    "RuleSet",
    "StreamRedactor",
    "compile_rules",
    "redact",
    "redact_json",
]
