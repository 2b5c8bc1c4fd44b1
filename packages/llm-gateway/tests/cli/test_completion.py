"""`llm-gateway completion`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from llm_gateway import cli


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
