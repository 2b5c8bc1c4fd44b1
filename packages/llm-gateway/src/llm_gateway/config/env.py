"""`${…}` in configuration values, and the `.env` file next to the configuration.

    ${NAME}                the variable; unset is a problem
    ${NAME:-default}       the default where the variable is unset or empty; defaults may hold variables themselves
    ${file:/run/secrets/x} the file's text without its last line break; relative to the configuration's folder
    ${vault:path#key}      a secret of another service, where its source is installed: vault, aws-sm, gcp-sm, azure-kv
    $${                    a literal ${

Values are substituted after parsing, so that none can change the document's structure.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream

from llm_gateway.config.secret_sources import Secrets, secret_scheme
from llm_gateway_sdk.errors import ConfigError, ConfigProblem
from llm_gateway_sdk.secret_source import SecretUnavailable

_MAX_DEPTH = 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OTHER_DEFAULT = re.compile(r"(?P<name>[A-Z_][A-Z0-9_]*)(?P<sign>:?[?=]|:|-)(?P<text>[^:].*|)")
"""Defaults and demands as shells and other programs write them: `${X:default}`, `${X-default}`, `${X:?message}`."""
_OPENED = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*['\"]")


class VariableProblem(Exception):
    """A `${…}` that can't be filled. The message states what would be right."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A text after substitution: what it was made from, and whether it is one variable and nothing else."""

    text: str
    variables: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Variables:
    """Where `${…}` is looked up: the environment first, then the `.env` file."""

    environ: Mapping[str, str]
    dotenv: Mapping[str, str]
    directory: Path
    secrets: Secrets = field(default_factory=Secrets, compare=False)

    def origin(self, variable: str) -> str:
        """In words where a variable came from, e.g. `environment OPENAI_API_KEY`."""
        if variable.startswith("file:"):
            return f"file {variable.removeprefix('file:')}"
        if secret_scheme(variable) is not None:
            return f"secret {variable}"
        if variable in self.environ:
            return f"environment {variable}"
        return f".env {variable}" if variable in self.dotenv else f"default of ${{{variable}}}"

    def fill(self, text: str, *, depth: int = 0) -> Filled:
        """`text` with every `${…}` replaced. Raises `VariableProblem`."""
        if "${" not in text:
            return Filled(text)
        if depth > _MAX_DEPTH:
            raise VariableProblem(f"defaults of variables are nested more than {_MAX_DEPTH} deep; use fewer")
        pieces: list[str] = []
        used: list[str] = []
        offset, whole = 0, False
        while (start := text.find("${", offset)) >= 0:
            if start > offset and text[start - 1] == "$":
                pieces.append(text[offset : start - 1] + "${")
                offset = start + 2
                continue
            end = _closing_brace(text, start + 2)
            pieces.append(text[offset:start])
            pieces.append(self._lookup(text[start + 2 : end], used, depth))
            whole = start == 0 and end == len(text) - 1
            offset = end + 1
        pieces.append(text[offset:])
        return Filled("".join(pieces), tuple(dict.fromkeys(used)), whole)

    def _lookup(self, expression: str, used: list[str], depth: int) -> str:
        name, has_default, default = expression.partition(":-")
        name = name.strip()
        if name.startswith("file:"):
            used.append(name)
            return self._read(
                name.removeprefix("file:"), self.fill(default, depth=depth + 1).text if has_default else None
            )
        if secret_scheme(name) is not None:
            used.append(name)
            try:
                return self.secrets.read(name)
            except SecretUnavailable as error:
                if has_default:
                    return self.fill(default, depth=depth + 1).text
                raise VariableProblem(f"the secret {name} can't be read: {error}") from None
        if not _NAME.fullmatch(name):
            if (other := _OTHER_DEFAULT.fullmatch(expression)) is not None:
                meant = (
                    f"${{{other['name']}}}" if other["sign"].endswith("?") else f"${{{other['name']}:-{other['text']}}}"
                )
                raise VariableProblem(f"`${{{expression}}}` is not understood; write {meant}")
            raise VariableProblem(
                f"`${{{expression}}}` is not understood; write ${{NAME}}, ${{NAME:-default}}, ${{file:/path}} or "
                "${{vault:path#key}}, and $${ for a literal ${"
            )
        used.append(name)
        value = self.environ.get(name, self.dotenv.get(name))
        if value is None and not has_default:
            raise VariableProblem(
                f"the variable {name} is not set; set it in the environment or in {self.directory / '.env'}, "
                f"or write ${{{name}:-default}}"
            )
        if not value and has_default:
            filled = self.fill(default, depth=depth + 1)
            used += filled.variables
            return filled.text
        return value or ""

    def _read(self, name: str, default: str | None) -> str:
        path = self.directory / name
        try:
            return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            if default is not None and isinstance(error, FileNotFoundError):
                return default
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise VariableProblem(f"the file {path} can't be read: {reason}") from None


def _closing_brace(text: str, offset: int) -> int:
    depth = 1
    for index in range(offset, len(text)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if not depth:
                return index
    raise VariableProblem("a `${` is not closed by `}`; write $${ for a literal ${")


def read_dotenv(directory: Path) -> dict[str, str]:
    """The variables of the `.env` file in `directory`; none where there is no such file."""
    try:
        text = (directory / ".env").read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError([ConfigProblem(f"the file can't be read: {reason}", "", str(directory / ".env"))]) from None
    return decode_dotenv(text, str(directory / ".env"))


def decode_dotenv(text: str, file: str = ".env") -> dict[str, str]:
    """The variables of such a file as python-dotenv reads them: `export` may be before a name, quoted values may go
    over several lines, `'…'` is literal, `"…"` knows escapes, ` #` begins a comment. Nothing in a value is replaced.

    Lines that are not assignments are passed over. Raises ConfigError for a quote that is not closed.
    """
    variables: dict[str, str] = {}
    problems: list[ConfigProblem] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            if opened := _OPENED.match(binding.original.string):
                message = f"the value of {opened[1]} begins with a quote that is not closed; close it, or remove it"
                problems.append(ConfigProblem(message, "", file, binding.original.line))
        elif binding.key:
            variables[binding.key] = binding.value or ""
    if problems:
        raise ConfigError(problems)
    return variables
