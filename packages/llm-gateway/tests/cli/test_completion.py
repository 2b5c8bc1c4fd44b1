"""`llm-gateway completion`."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_gateway import cli

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")


@pytest.mark.parametrize(("shell", "words"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --")])
def test_completion_prints_the_script_of_the_shell(shell, words, capsys):
    assert cli.main(["completion", shell]) == 0
    assert words in capsys.readouterr().out


def test_the_script_of_completion_completes_commands():
    environ = {
        **os.environ,
        "_LLM_GATEWAY_COMPLETE": "bash_complete",
        "COMP_WORDS": "llm-gateway pl",
        "COMP_CWORD": "1",
    }
    output = subprocess.run(
        [sys.executable, "-m", "llm_gateway"], capture_output=True, text=True, check=False, env=environ
    ).stdout
    assert output == "plain,plugins\n"


def _typed(argv: list[str], environ: dict[str, str], lines: list[tuple[str, str]]) -> str:
    """What a shell on a terminal shows: each text is typed, and its answer waited for."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(argv[0], argv, environ)
    shown, place = "", 0
    try:
        for text, awaited in lines:
            os.write(terminal, text.encode())
            until = time.monotonic() + 60
            while awaited not in shown[place:]:
                assert time.monotonic() < until, shown
                if select.select([terminal], [], [], 1)[0]:
                    shown += _ESCAPE.sub("", os.read(terminal, 65536).decode(errors="replace"))
            place = len(shown)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)
    return shown


@pytest.mark.parametrize(
    ("argv", "load"),
    [
        (["bash", "--norc", "-i"], 'eval "$(llm-gateway completion bash)"'),
        (["zsh", "-f", "-i"], 'autoload -Uz compinit; compinit -u; eval "$(llm-gateway completion zsh)"'),
        (["fish", "--no-config", "-i"], "llm-gateway completion fish | source"),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_the_key_tab_completes_in_a_terminal(argv, load, tmp_path):
    if shutil.which(argv[0]) is None:
        pytest.skip(f"the program {argv[0]} is missing")
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path), "TERM": "xterm", "LANG": "C.UTF-8",
    }  # fmt: skip

    # The word that is awaited is put together by the shell, so that it is not in what was typed.
    _typed(argv, environ, [(f"{load}; echo rea''dy\n", "ready"), ("llm-gateway plugins l\t", "plugins list")])
