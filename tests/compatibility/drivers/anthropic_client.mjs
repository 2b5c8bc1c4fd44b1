// Runs with one version of Anthropic's Node SDK, whose folder is the first argument: the plan comes on stdin, what the
// client saw goes to stdout. Plan and outcomes are those of openai_client.py.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/driver.js`);
const { Anthropic } = require("@anthropic-ai/sdk");
const plan = JSON.parse(readFileSync(0, "utf8"));
const client = new Anthropic({ baseURL: plan.base_url, apiKey: "sk-test", maxRetries: 0, timeout: 20000 });
const WEATHER = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

async function converse(model, streamed) {
  const tool = { name: "weather", description: "Reports the weather.", input_schema: WEATHER };
  const options = { model, system: "Be brief.", max_tokens: 4000, tools: [tool] };
  const messages = [{ role: "user", content: plan.prompt }];
  const ask = () =>
    streamed
      ? client.messages.stream({ messages, ...options }).finalMessage()
      : client.messages.create({ messages, ...options });
  const first = await ask();
  const calls = first.content.filter((block) => block.type === "tool_use");
  const results = calls.map((call, place) => ({
    type: "tool_result",
    tool_use_id: call.id,
    content: plan.results[place],
  }));
  messages.push({ role: "assistant", content: first.content }, { role: "user", content: results });
  const second = await ask();
  const text = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");
  return {
    calls: calls.map((call) => [call.name, call.input]),
    ids: new Set(calls.map((call) => call.id)).size,
    thinking: first.content.filter((block) => block.type === "thinking").map((block) => block.thinking).join(""),
    text: text(first),
    finish: [first.stop_reason, second.stop_reason],
    usage: [first.usage.input_tokens, first.usage.output_tokens],
    answer: text(second),
  };
}

async function fail(model, words, stream) {
  try {
    const messages = [{ role: "user", content: words }];
    const reply = await client.messages.create({ model, max_tokens: 50, messages, stream });
    if (stream) for await (const _ of reply);
  } catch (error) {
    const bases = [];
    for (let at = error.constructor; at && at.name; at = Object.getPrototypeOf(at)) bases.push(at.name);
    return { raised: bases[0], bases, status: error.status ?? null, code: null, words: String(error.message) };
  }
  return { raised: null };
}

const version = JSON.parse(readFileSync(`${process.argv[2]}/node_modules/@anthropic-ai/sdk/package.json`)).version;
const told = { version, conversations: {}, errors: {}, broken: {} };
for (const model of plan.models) {
  for (const streamed of [false, true]) {
    const place = `messages ${model} ${streamed ? "streamed" : "whole"}`;
    try {
      told.conversations[place] = await converse(model, streamed);
    } catch (error) {
      told.conversations[place] = { failed: String(error.stack).slice(0, 1500) };
    }
  }
  for (const kind of plan.errors) {
    told.errors[`messages ${model} ${kind}`] = await fail(model, `fail ${kind}`, kind === "overloaded");
  }
  for (const kind of plan.broken) {
    told.broken[`messages ${model} ${kind}`] = await fail(model, `fail inside ${kind}`, true);
  }
}
process.stdout.write(JSON.stringify(told));
