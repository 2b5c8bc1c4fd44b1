"""Runs in the environment of one version of Anthropic's SDK: the plan comes on stdin, what it saw goes to stdout.

Plan and outcomes are those of `openai_client.py`.
"""

import json
import sys
import traceback

import anthropic

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Driver:
    def __init__(self, plan):
        self.plan = plan
        self.client = anthropic.Anthropic(base_url=plan["base_url"], api_key="sk-test", max_retries=0, timeout=20)

    def messages(self, model, streamed):
        tool = {"name": "weather", "description": "Reports the weather.", "input_schema": WEATHER}
        options = {"model": model, "system": "Be brief.", "max_tokens": 4000, "tools": [tool]}
        messages = [{"role": "user", "content": self.plan["prompt"]}]
        first = self.ask(messages, streamed, options)
        calls = [block for block in first.content if block.type == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": words}
            for call, words in zip(calls, self.plan["results"], strict=True)
        ]
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        second = self.ask(messages, streamed, options)
        thoughts = [block.thinking for block in first.content if block.type == "thinking"]
        return {
            "calls": [[call.name, call.input] for call in calls],
            "ids": len({call.id for call in calls}),
            "thinking": "".join(thoughts),
            "text": "".join(block.text for block in first.content if block.type == "text"),
            "finish": [first.stop_reason, second.stop_reason],
            "usage": [first.usage.input_tokens, first.usage.output_tokens],
            "answer": "".join(block.text for block in second.content if block.type == "text"),
        }

    def ask(self, messages, streamed, options):
        if not streamed:
            return self.client.messages.create(messages=messages, **options)
        with self.client.messages.stream(messages=messages, **options) as events:
            text = "".join(events.text_stream)
            message = events.get_final_message()
        assert text == "".join(block.text for block in message.content if block.type == "text")
        return message

    def fail(self, model, words, streamed):
        options = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": words}]}
        try:
            reply = self.client.messages.create(stream=streamed, **options)
            if streamed:
                for _ in reply:
                    pass
        except anthropic.AnthropicError as error:
            return {
                "raised": type(error).__name__,
                "bases": [base.__name__ for base in type(error).__mro__],
                "status": getattr(error, "status_code", None),
                "code": None,
                "words": str(error),
            }
        return {"raised": None}


def main():
    plan = json.load(sys.stdin)
    driver = Driver(plan)
    reported = {"version": anthropic.__version__, "conversations": {}, "errors": {}, "broken": {}}
    for model in plan["models"]:
        for streamed in (False, True):
            place = f"messages {model} {'streamed' if streamed else 'whole'}"
            try:
                reported["conversations"][place] = driver.messages(model, streamed)
            except Exception:
                reported["conversations"][place] = {"failed": traceback.format_exc()[-1500:]}
        for kind in plan["errors"]:
            reported["errors"][f"messages {model} {kind}"] = driver.fail(model, f"fail {kind}", kind == "overloaded")
        for kind in plan["broken"]:
            reported["broken"][f"messages {model} {kind}"] = driver.fail(model, f"fail inside {kind}", True)
    json.dump(reported, sys.stdout)


main()
