// Runs with one version of OpenAI's Node SDK, whose folder is the first argument: the plan comes on stdin, what the
// client saw goes to stdout. Plan and outcomes are those of openai_client.py.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/driver.js`);
const { OpenAI } = require("openai");
const plan = JSON.parse(readFileSync(0, "utf8"));
const client = new OpenAI({ baseURL: plan.base_url, apiKey: "sk-test", maxRetries: 0, timeout: 20000 });
const WEATHER = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

const drivers = {
  async chat(model, streamed) {
    const fn = { name: "weather", description: "Reports the weather.", parameters: WEATHER };
    const options = { model, tools: [{ type: "function", function: fn }], max_tokens: 4000 };
    const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: plan.prompt }];
    const ask = async () => {
      const reply = streamed
        ? await chatRunner({ messages, stream: true, stream_options: { include_usage: true }, ...options })
        : await client.chat.completions.create({ messages, ...options });
      const { message, finish_reason } = reply.choices[0];
      const calls = (message.tool_calls ?? []).map((call) => ({ id: call.id, ...call.function }));
      const usage = [reply.usage.prompt_tokens, reply.usage.completion_tokens];
      const thinking = message.reasoning_content ?? "";
      return { message, calls, usage, finish: finish_reason, thinking, text: message.content ?? "" };
    };
    const first = await ask();
    messages.push(first.message);
    first.calls.forEach((call, place) =>
      messages.push({ role: "tool", tool_call_id: call.id, content: plan.results[place] }),
    );
    return outcome(first, await ask());
  },

  async responses(model, streamed) {
    const tool = { type: "function", name: "weather", parameters: WEATHER, strict: true };
    const options = { model, instructions: "Be brief.", tools: [tool], store: false };
    options.include = ["reasoning.encrypted_content"];
    const input = [{ role: "user", content: plan.prompt }];
    const ask = async () => {
      let reply = null;
      if (streamed) {
        for await (const event of await client.responses.create({ input, stream: true, ...options })) {
          if (event.type === "response.completed") reply = event.response;
        }
      } else {
        reply = await client.responses.create({ input, ...options });
      }
      const calls = reply.output
        .filter((item) => item.type === "function_call")
        .map((item) => ({ id: item.call_id, name: item.name, arguments: item.arguments }));
      const texts = reply.output.filter((item) => item.type === "message").flatMap((item) => item.content);
      const thoughts = reply.output.filter((item) => item.type === "reasoning").flatMap((item) => item.summary);
      return {
        output: reply.output,
        calls,
        usage: [reply.usage.input_tokens, reply.usage.output_tokens],
        finish: calls.length && reply.status === "completed" ? "tool_calls" : reply.status,
        thinking: thoughts.map((part) => part.text).join(""),
        text: texts.map((part) => part.text).join(""),
      };
    };
    const first = await ask();
    input.push(...first.output);
    first.calls.forEach((call, place) =>
      input.push({ type: "function_call_output", call_id: call.id, output: plan.results[place] }),
    );
    return outcome(first, await ask());
  },
};

async function chatRunner(body) {
  const completions = client.chat.completions.stream ? client.chat.completions : client.beta.chat.completions;
  const runner = completions.stream(body);
  let thinking = "";
  // The SDK's own sum keeps of a field that it does not know the last piece alone.
  runner.on("chunk", (chunk) => (thinking += chunk.choices[0]?.delta?.reasoning_content ?? ""));
  const reply = await runner.finalChatCompletion();
  if (thinking) reply.choices[0].message.reasoning_content = thinking;
  return reply;
}

async function fail(api, model, words, stream) {
  try {
    const reply =
      api === "chat"
        ? await client.chat.completions.create({ model, messages: [{ role: "user", content: words }], stream })
        : await client.responses.create({ model, input: words, stream });
    if (stream) {
      for await (const event of reply) {
        if (event.type === "response.failed" || event.type === "error") return { raised: null, event: event.type };
      }
    }
  } catch (error) {
    return described(error);
  }
  return { raised: null };
}

function described(error) {
  const bases = [];
  for (let at = error.constructor; at && at.name; at = Object.getPrototypeOf(at)) bases.push(at.name);
  return { raised: bases[0], bases, status: error.status ?? null, code: error.code ?? null, words: String(error.message) };
}

function outcome(first, second) {
  return {
    calls: first.calls.map((call) => [call.name, JSON.parse(call.arguments)]),
    ids: new Set(first.calls.map((call) => call.id)).size,
    thinking: first.thinking,
    text: first.text,
    finish: [first.finish, second.finish],
    usage: first.usage,
    answer: second.text,
  };
}

const version = JSON.parse(readFileSync(`${process.argv[2]}/node_modules/openai/package.json`)).version;
const told = { version, conversations: {}, errors: {}, broken: {} };
for (const api of plan.apis) {
  for (const model of plan.models) {
    for (const streamed of [false, true]) {
      const place = `${api} ${model} ${streamed ? "streamed" : "whole"}`;
      try {
        told.conversations[place] = await drivers[api](model, streamed);
      } catch (error) {
        told.conversations[place] = { failed: String(error.stack).slice(0, 1500) };
      }
    }
    for (const kind of plan.errors) {
      told.errors[`${api} ${model} ${kind}`] = await fail(api, model, `fail ${kind}`, kind === "overloaded");
    }
    for (const kind of plan.broken) {
      told.broken[`${api} ${model} ${kind}`] = await fail(api, model, `fail inside ${kind}`, true);
    }
  }
}
process.stdout.write(JSON.stringify(told));
