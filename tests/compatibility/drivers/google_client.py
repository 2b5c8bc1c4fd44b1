"""Runs in the environment of one version of Google's SDK: the plan comes on stdin, what the client saw goes to stdout.

Plan and outcomes are those of `openai_client.py`.
"""

import json
import sys
import traceback

from google import genai
from google.genai import errors, types

WEATHER = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}


class Driver:
    def __init__(self, plan):
        self.plan = plan
        retries = types.HttpRetryOptions(attempts=1)
        options = types.HttpOptions(base_url=plan["base_url"], retry_options=retries, timeout=20_000)
        self.client = genai.Client(api_key="sk-test", http_options=options)

    def generate(self, model, streamed):
        tool = types.Tool(
            function_declarations=[{"name": "weather", "description": "Reports the weather.", "parameters": WEATHER}]
        )
        config = types.GenerateContentConfig(
            system_instruction="Be brief.",
            tools=[tool],
            max_output_tokens=4000,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        question = types.Content(role="user", parts=[types.Part(text=self.plan["prompt"])])
        first = self.ask(model, [question], config, streamed)
        calls = [part.function_call for part in first["parts"] if part.function_call]
        answers = []
        for call, words in zip(calls, self.plan["results"], strict=True):
            part = types.Part.from_function_response(name=call.name, response={"result": words})
            part.function_response.id = call.id
            answers.append(part)
        history = [
            question,
            types.Content(role="model", parts=first["parts"]),
            types.Content(role="user", parts=answers),
        ]
        second = self.ask(model, history, config, streamed)
        return {
            "calls": [[call.name, dict(call.args)] for call in calls],
            "ids": len({call.id or number for number, call in enumerate(calls)}),
            "thinking": "".join(part.text or "" for part in first["parts"] if part.thought),
            "text": text_of(first["parts"]),
            "finish": [first["finish"], second["finish"]],
            "usage": first["usage"],
            "answer": text_of(second["parts"]),
        }

    def ask(self, model, contents, config, streamed):
        if streamed:
            replies = list(self.client.models.generate_content_stream(model=model, contents=contents, config=config))
        else:
            replies = [self.client.models.generate_content(model=model, contents=contents, config=config)]
        candidates = [candidate for reply in replies for candidate in reply.candidates or []]
        parts = [part for one in candidates if one.content for part in one.content.parts or []]
        usage = [reply.usage_metadata for reply in replies if reply.usage_metadata][-1]
        finish = [one.finish_reason for one in candidates if one.finish_reason][-1]
        counts = [usage.prompt_token_count, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)]
        return {"parts": parts, "finish": finish.value, "usage": counts}

    def fail(self, model, words, streamed):
        try:
            if streamed:
                for reply in self.client.models.generate_content_stream(model=model, contents=words):
                    last = reply
                return {"raised": None, "event": str(last)[:300]}
            self.client.models.generate_content(model=model, contents=words)
        except errors.APIError as error:
            return {
                "raised": type(error).__name__,
                "bases": [base.__name__ for base in type(error).__mro__],
                "status": error.code,
                "code": error.status,
                "words": str(error),
            }
        except Exception as error:
            return {"raised": type(error).__name__, "bases": [], "status": None, "code": None, "words": str(error)}
        return {"raised": None}


def text_of(parts):
    return "".join(part.text for part in parts if part.text and not part.thought)


def main():
    plan = json.load(sys.stdin)
    driver = Driver(plan)
    reported = {"version": genai.__version__, "conversations": {}, "errors": {}, "broken": {}}
    for model in plan["models"]:
        for streamed in (False, True):
            place = f"generate {model} {'streamed' if streamed else 'whole'}"
            try:
                reported["conversations"][place] = driver.generate(model, streamed)
            except Exception:
                reported["conversations"][place] = {"failed": traceback.format_exc()[-1500:]}
        for kind in plan["errors"]:
            reported["errors"][f"generate {model} {kind}"] = driver.fail(model, f"fail {kind}", kind == "overloaded")
        for kind in plan["broken"]:
            reported["broken"][f"generate {model} {kind}"] = driver.fail(model, f"fail inside {kind}", True)
    json.dump(reported, sys.stdout)


main()
