"""Runs in the environment of one version of OpenAI's SDK: the plan comes on stdin, what the client saw goes to stdout.

A plan is `{base_url, models, apis, prompt, results, errors, broken}`; an outcome is printed for each API, model and
mode.
"""

import json
import sys
import traceback

import openai

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Driver:
    def __init__(self, plan):
        self.plan = plan
        self.client = openai.OpenAI(base_url=plan["base_url"], api_key="sk-test", max_retries=0, timeout=20)

    def chat(self, model, streamed):
        function = {"name": "weather", "description": "Reports the weather.", "parameters": WEATHER}
        options = {"model": model, "tools": [{"type": "function", "function": function}], "max_tokens": 4000}
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": self.plan["prompt"]},
        ]
        first = self.ask_chat(messages, streamed, options)
        messages.append(first["message"])
        for call, words in zip(first["calls"], self.plan["results"], strict=True):
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": words})
        second = self.ask_chat(messages, streamed, options)
        return outcome(first, second)

    def ask_chat(self, messages, streamed, options):
        if not streamed:
            reply = self.client.chat.completions.create(messages=messages, **options)
            message = reply.choices[0].message
            calls = [
                {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
                for call in message.tool_calls or []
            ]
            usage = [reply.usage.prompt_tokens, reply.usage.completion_tokens]
            finish = reply.choices[0].finish_reason
            thinking = getattr(message, "reasoning_content", None) or ""
            text = message.content or ""
            return {
                "message": message,
                "calls": calls,
                "usage": usage,
                "finish": finish,
                "thinking": thinking,
                "text": text,
            }
        text, thinking, blocks, finish, usage, calls = "", "", [], None, None, {}
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        for chunk in self.client.chat.completions.create(messages=messages, **asked, **options):
            if chunk.usage is not None:
                usage = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens]
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                text += choice.delta.content or ""
                thinking += getattr(choice.delta, "reasoning_content", None) or ""
                blocks += getattr(choice.delta, "thinking_blocks", None) or []
                for part in choice.delta.tool_calls or []:
                    call = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                    call["id"] = part.id or call["id"]
                    if part.function is not None:
                        call["name"] += part.function.name or ""
                        call["arguments"] += part.function.arguments or ""
        calls = [calls[index] for index in sorted(calls)]
        message = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [
                {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
                for c in calls
            ]
        return {
            "message": message,
            "calls": calls,
            "usage": usage,
            "finish": finish,
            "thinking": thinking,
            "text": text,
        }

    def responses(self, model, streamed):
        function = {"type": "function", "name": "weather", "description": "Reports the weather.", "parameters": WEATHER}
        options = {
            "model": model,
            "instructions": "Be brief.",
            "tools": [{**function, "strict": True}],
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
        items = [{"role": "user", "content": self.plan["prompt"]}]
        first = self.ask_responses(items, streamed, options)
        items += first["output"]
        for call, words in zip(first["calls"], self.plan["results"], strict=True):
            items.append({"type": "function_call_output", "call_id": call["id"], "output": words})
        second = self.ask_responses(items, streamed, options)
        return outcome(first, second)

    def ask_responses(self, items, streamed, options):
        if streamed:
            reply, text = None, ""
            for event in self.client.responses.create(input=items, stream=True, **options):
                if event.type == "response.output_text.delta":
                    text += event.delta
                if event.type == "response.completed":
                    reply = event.response
            assert text == reply.output_text, (text, reply.output_text)
        else:
            reply = self.client.responses.create(input=items, **options)
        calls = [
            {"id": item.call_id, "name": item.name, "arguments": item.arguments}
            for item in reply.output
            if item.type == "function_call"
        ]
        thoughts = [part.text for item in reply.output if item.type == "reasoning" for part in item.summary]
        return {
            "output": list(reply.output),
            "calls": calls,
            "usage": [reply.usage.input_tokens, reply.usage.output_tokens],
            "finish": "tool_calls" if calls and reply.status == "completed" else reply.status,
            "thinking": "".join(thoughts),
            "text": reply.output_text,
        }

    def fail(self, api, model, words, streamed):
        try:
            if api == "chat":
                message = {"role": "user", "content": words}
                reply = self.client.chat.completions.create(model=model, messages=[message], stream=streamed)
            else:
                reply = self.client.responses.create(model=model, input=words, stream=streamed)
            if streamed:
                for event in reply:
                    if getattr(event, "type", "") in ("response.failed", "error"):
                        return {"raised": None, "event": event.type}
        except openai.OpenAIError as error:
            return {
                "raised": type(error).__name__,
                "bases": [base.__name__ for base in type(error).__mro__],
                "status": getattr(error, "status_code", None),
                "code": getattr(error, "code", None),
                "words": str(error),
            }
        return {"raised": None}


def outcome(first, second):
    return {
        "calls": [[call["name"], json.loads(call["arguments"])] for call in first["calls"]],
        "ids": len({call["id"] for call in first["calls"]}),
        "thinking": first["thinking"],
        "text": first["text"],
        "finish": [first["finish"], second["finish"]],
        "usage": first["usage"],
        "answer": second["text"],
    }


def main():
    plan = json.load(sys.stdin)
    driver = Driver(plan)
    reported = {"version": openai.__version__, "conversations": {}, "errors": {}, "broken": {}}
    for api in plan["apis"]:
        for model in plan["models"]:
            for streamed in (False, True):
                place = f"{api} {model} {'streamed' if streamed else 'whole'}"
                try:
                    reported["conversations"][place] = getattr(driver, api)(model, streamed)
                except Exception:
                    reported["conversations"][place] = {"failed": traceback.format_exc()[-1500:]}
            for kind in plan["errors"]:
                reported["errors"][f"{api} {model} {kind}"] = driver.fail(
                    api, model, f"fail {kind}", kind == "overloaded"
                )
            for kind in plan["broken"]:
                reported["broken"][f"{api} {model} {kind}"] = driver.fail(api, model, f"fail inside {kind}", True)
    json.dump(reported, sys.stdout)


main()
