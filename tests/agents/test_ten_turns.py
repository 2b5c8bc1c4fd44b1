"""Ten turns of a conversation, each answered by another vendor's model, through each official client.

Tools called side by side, thinking with signatures, pictures, cache marks, refusals, answers that are cut off and
streams that break. The servers refuse what the real ones refuse. Nothing may be refused, each model has to see
all earlier texts, calls and results, and no signature may reach another vendor than its maker.

AGENTS_LONG is the number of conversations of each client; without it there is one.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx
import openai
import pytest
from botocore import exceptions as aws_errors  # type: ignore[import-untyped]
from converse_talker import ConverseTalker
from google.genai import errors as google_errors
from scripted_upstream import Script
from served_gateway import ServedGateway
from strict_servers import MODELS, StrictServers, dialect_of
from talkers import TALKERS, Heard, Result

CONVERSATIONS = int(os.environ.get("AGENTS_LONG", "1"))
BREAKS = (openai.OpenAIError, anthropic.AnthropicError, httpx.HTTPError, google_errors.APIError, ConnectionError)
BREAKS += (AssertionError, RuntimeError, aws_errors.BotoCoreError, aws_errors.ClientError)
CLIENTS = {**TALKERS, "converse": ConverseTalker}


@dataclass
class Conversation:
    """One talk by chance; `words` are those that every later model has to see."""

    client: str
    gateway: ServedGateway
    servers: StrictServers
    dice: random.Random
    words: list[str] = field(default_factory=list)
    count: int = 0
    due: tuple[str, str] | None = None
    """Who signed the last answer with calls, and how."""
    thought: bool = False
    """The last request asked for thinking."""

    def word(self) -> str:
        self.count += 1
        return f"word{self.count}x"

    def hold(self) -> None:
        self.talker = CLIENTS[self.client](self.gateway)
        for _ in range(10):
            word = self.word()
            self.talker.say(f"please {word}", picture=self.dice.random() < 0.3)
            self.words.append(word)
            self.turn()

    def turn(self) -> None:
        for step in range(self.dice.randint(1, 3)):
            last = step == 2 or self.dice.random() < 0.4
            heard = self.answered(self.script(calling=not last))
            if not heard.calls:
                return
            results = [self.result(identity, name) for identity, name, _ in heard.calls]
            word = self.word() if self.dice.random() < 0.2 else ""
            self.talker.give(results, word)
            self.words += [word] if word else []
        self.answered(self.script(calling=False))

    def script(self, *, calling: bool) -> Script:
        dice = self.dice
        thinking = f"I think of {self.word()}. Then of more." if dice.random() < 0.6 else ""
        if not calling:
            ends = dice.choice(("", "", "", "length", "refusal"))
            return Script(f"I answer {self.word()}.", thinking, ends=ends)
        names = list(self.talker.tools)
        calls = [
            (f"call_{number}", dice.choice(names), json.dumps({"place": self.word()}))
            for number in range(dice.randint(1, 3))
        ]
        return Script(f"I look {self.word()}." if dice.random() < 0.5 else "", thinking, calls)

    def result(self, identity: str, name: str) -> Result:
        word = self.word()
        self.words.append(word)
        return Result(identity, name, f"result {word}", self.dice.random() < 0.2, self.dice.random() < 0.2)

    def answered(self, script: Script) -> Heard:
        dice = self.dice
        thinking = dice.random() < 0.7
        if dice.random() < 0.15:
            broken = Script("This will break off " * 4, ends="cut")
            self.servers.answers.append(broken)
            with pytest.raises(BREAKS):
                self.ask(dice.choice(list(MODELS)), streamed=True, thinking=thinking)
            self.servers.answers.clear()
            self.check()
        model, streamed = dice.choice(list(MODELS)), dice.random() < 0.5
        if script.calls:
            # The model calls a tool by the name under which it got it.
            script.calls = [(i, str(list(self.talker.tools).index(name)), given) for i, name, given in script.calls]
        self.servers.answers.append(script)
        heard = self.ask(model, streamed=streamed, thinking=thinking)
        self.check()
        self.check_proof(model, thinking=self.thought)
        self.compare(script, heard, model)
        return heard

    def ask(self, model: str, *, streamed: bool, thinking: bool) -> Heard:
        self.thought = thinking
        heard: Heard = self.talker.ask(model, streamed=streamed, thinking=thinking)
        return heard

    def check(self) -> None:
        assert not self.servers.refusals
        arrived = self.servers.arrived[-1]
        text = json.dumps(arrived.body)
        missing = [word for word in self.words if word not in text]
        assert not missing, f"{arrived.server} did not see {missing}"

    def check_proof(self, model: str, *, thinking: bool) -> None:
        """Where the same vendor goes on with the calls that it made, it gets back what it signed."""
        due, self.due = self.due, self.servers.last_signed
        if due is None or not thinking or self.client == "chat-bare":
            return
        maker, proof = due
        if dialect_of(model) == maker:
            assert proof in json.dumps(self.servers.arrived[-1].body), f"{model} did not get back what it signed"

    def compare(self, script: Script, heard: Heard, model: str) -> None:
        if script.ends != "refusal":
            assert heard.text == script.text
        if script.text and heard.text:
            self.words.append(script.text.split()[-1].strip("."))
        assert [given for _, _, given in heard.calls] == [json.loads(given) for _, _, given in script.calls]
        for _, name, given in heard.calls:
            assert name in self.talker.tools
            self.words += [given["place"]]
        assert heard.thinking in ("", script.thinking)


@pytest.mark.parametrize("number", range(CONVERSATIONS))
@pytest.mark.parametrize("client", CLIENTS)
def test_ten_turns(gateway: ServedGateway, servers: StrictServers, client: str, number: int) -> None:
    Conversation(client, gateway, servers, random.Random(f"{client} {number}")).hold()


def test_a_rule_that_is_broken_is_noticed(gateway: ServedGateway, servers: StrictServers) -> None:
    """The servers do refuse: a client's own fault reaches them, and the client."""
    asked: dict[str, Any] = {"model": "chat", "messages": [{"role": "tool", "tool_call_id": "a", "content": "b"}]}
    with pytest.raises(openai.BadRequestError, match="must follow"):
        gateway.openai().chat.completions.create(**asked)
    assert servers.refusals
