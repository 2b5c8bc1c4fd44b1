"""`llm-gateway init`."""

from __future__ import annotations

from llm_gateway import cli
from llm_gateway.loading import load_text


def test_init_writes_a_commented_file_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert cli.main(["init"]) == 0
    assert cli.main(["init"]) == 2
    assert cli.main(["init", "--force"]) == 0
    assert "exists already" in capsys.readouterr().err


def test_the_file_that_init_writes_is_valid_also_with_its_comments_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main(["init"])
    text = (tmp_path / "gateway.yaml").read_text()
    environ = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2", "GATEWAY_KEY": "key-1234567890"}

    assert load_text(text, environ={}).config.projects["test"].default_model == "echo"
    uncommented = "\n".join(line.replace("#", "", 1) if line.startswith("#  ") else line for line in text.splitlines())
    result = load_text(uncommented, environ=environ)
    assert [model.name for model in result.config.projects["test"].models] == ["echo", "gpt", "claude", "local"]
