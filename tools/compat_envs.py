"""Makes the environments in which tests/compatibility runs official clients: `python tools/compat_envs.py [NAME...]`.

Each has one client in one version, in its own folder below `.venv/compat` (COMPAT_ENVS names another), and is made
once. What can't be installed is named and left out; the tests that need it skip with that reason. `--list` shows what
there is, without installing.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL_SECONDS = 400


@dataclass(frozen=True)
class Environment:
    """One folder with one client. `kind` is `python` or `node`; `packages` are the installer's own words."""

    name: str
    kind: str
    packages: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return folder() / self.name

    @property
    def problem(self) -> str | None:
        """Why the environment can't be used; None where it can."""
        stamp = self.folder / "stamp.json"
        if not stamp.is_file():
            return f"{self.name} is not installed (python tools/compat_envs.py {self.name})"
        found = json.loads(stamp.read_text())
        if found["packages"] != list(self.packages):
            return f"{self.name} is installed for other packages (python tools/compat_envs.py {self.name})"
        problem: str | None = found["problem"]
        return problem

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def modules(self) -> Path:
        return self.folder / "node_modules"

    def program(self, name: str) -> Path:
        """What a Node package installs to be run."""
        return self.modules / ".bin" / name


# Before these versions of httpx a client could be given the argument that the oldest SDKs still pass.
_OLD_HTTPX = "httpx<0.28"

ENVIRONMENTS: dict[str, Environment] = {
    environment.name: environment
    for environment in (
        Environment("openai-1-early", "python", ("openai==1.40.0", _OLD_HTTPX)),
        Environment("openai-1", "python", ("openai>=1,<2",)),
        Environment("openai-2", "python", ("openai>=2,<3",)),
        Environment("openai-3", "python", ("openai>=3,<4",)),
        Environment("anthropic-0-early", "python", ("anthropic==0.39.0", _OLD_HTTPX)),
        Environment("anthropic-0", "python", ("anthropic>=0.100,<1",)),
        Environment("anthropic-1", "python", ("anthropic>=1,<2",)),
        Environment("anthropic-2", "python", ("anthropic>=2,<3",)),
        Environment("google-genai-1", "python", ("google-genai>=1,<2",)),
        Environment("google-genai-3", "python", ("google-genai>=3,<4",)),
        Environment("node-openai-4", "node", ("openai@^4",)),
        Environment("node-openai-7", "node", ("openai@^7",)),
        Environment("node-anthropic-0", "node", ("@anthropic-ai/sdk@^0.137",)),
        Environment("node-anthropic-1", "node", ("@anthropic-ai/sdk@^1",)),
        Environment("node-ai-sdk-6", "node", ("ai@^6", "@ai-sdk/openai@^3", "zod@^4")),
        Environment(
            "python-frameworks",
            "python",
            ("langchain-openai>=1", "langchain-anthropic>=1", "langchain-google-genai>=4", "litellm>=1.100"),
        ),
        Environment(
            "node-frameworks",
            "node",
            (
                *(
                    "@langchain/core@^1",
                    "@langchain/openai@^1",
                    "@langchain/anthropic@^1",
                    "@langchain/google-genai@^2",
                ),
                *("ai@^6", "@ai-sdk/openai@^3", "@ai-sdk/openai-compatible@^2", "@ai-sdk/anthropic@^3"),
                *("@ai-sdk/google@^3", "zod@^4"),
            ),
        ),
        Environment("cline", "node", ("cline@3",)),
        Environment("opencode", "node", ("opencode-ai@1",)),
        Environment("continue", "node", ("@continuedev/cli@1",)),
        Environment("claude-code", "node", ("@anthropic-ai/claude-code@2",)),
        Environment("codex", "node", ("@openai/codex@0",)),
        Environment("gemini-cli", "node", ("@google/gemini-cli@0",)),
    )
}


def folder() -> Path:
    return Path(os.environ.get("COMPAT_ENVS") or ROOT / ".venv" / "compat")


def install(environment: Environment) -> str | None:
    """Makes the environment unless it is there. Why it can't be had, or None. Of several processes one makes it."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / f"{environment.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _install(environment)


def _install(environment: Environment) -> str | None:
    if environment.problem is None:
        return None
    shutil.rmtree(environment.folder, ignore_errors=True)
    environment.folder.mkdir(parents=True)
    try:
        problem = _install_python(environment) if environment.kind == "python" else _install_node(environment)
    except subprocess.TimeoutExpired:
        problem = f"installing {environment.name} took more than {INSTALL_SECONDS} s"
    stamp = {"packages": list(environment.packages), "problem": problem}
    (environment.folder / "stamp.json").write_text(json.dumps(stamp))
    return problem


def _install_python(environment: Environment) -> str | None:
    """With uv where there is one, in a tenth of the time; with pip else, and where uv fails."""
    if uv := shutil.which("uv"):
        made = _run([uv, "venv", "--quiet", "--python", sys.executable, str(environment.folder / "venv")])
        into = ["--python", str(environment.python), *environment.packages]
        if made is None and _run([uv, "pip", "install", "--quiet", *into]) is None:
            return None
    made = _run([sys.executable, "-m", "venv", "--clear", str(environment.folder / "venv")])
    if made is not None:
        return f"no virtual environment for {environment.name}: {made}"
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    failed = _run([str(environment.python), "-m", "pip", "install", *quiet, *environment.packages])
    return None if failed is None else f"pip could not install {', '.join(environment.packages)}: {failed}"


def _install_node(environment: Environment) -> str | None:
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    (environment.folder / "package.json").write_text('{"private": true}')
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel", "error", *environment.packages]
    failed = _run(command, cwd=environment.folder)
    return None if failed is None else f"npm could not install {', '.join(environment.packages)}: {failed}"


def _run(command: list[str], cwd: Path | None = None) -> str | None:
    """The last words of a command that failed; None where it did not."""
    ended = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    if ended.returncode == 0:
        return None
    lines = (ended.stderr or ended.stdout).strip().splitlines()
    return lines[-1][:300] if lines else f"exit status {ended.returncode}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *ENVIRONMENTS], metavar="NAME", help="default: all of them")
    parser.add_argument("--list", action="store_true", help="show what is there, install nothing")
    options = parser.parse_args()
    problems = 0
    for name in options.names or ENVIRONMENTS:
        environment = ENVIRONMENTS[name]
        problem = environment.problem if options.list else install(environment)
        problems += problem is not None
        print(f"  {name:18} {problem or 'ready'}", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
