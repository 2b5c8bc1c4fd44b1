// LangChain.js and the Vercel AI SDK: a loop with tools on each model, through each of their ways to an API. Reads a
// plan from standard input and writes what it saw. (The AI SDK's Responses way has a driver for itself.)
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const require = createRequire(path.join(process.argv[2], 'package.json'));
const { tool } = require('@langchain/core/tools');
const { HumanMessage } = require('@langchain/core/messages');
const { ChatOpenAI } = require('@langchain/openai');
const { ChatAnthropic } = require('@langchain/anthropic');
const { ChatGoogleGenerativeAI } = require('@langchain/google-genai');
const ai = require('ai');
const { createOpenAI } = require('@ai-sdk/openai');
const { createOpenAICompatible } = require('@ai-sdk/openai-compatible');
const { createAnthropic } = require('@ai-sdk/anthropic');
const { createGoogleGenerativeAI } = require('@ai-sdk/google');
const { z } = require('zod');

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const plan = JSON.parse(Buffer.concat(chunks).toString());
const v1 = `${plan.url}/v1`;
const key = { apiKey: 'sk-test' };
const STEPS = 4;

const weather = tool(async ({ city }) => plan.results[city], {
  name: 'weather',
  description: 'Reports the weather.',
  schema: z.object({ city: z.string() }),
});
const plain = { ...key, maxRetries: 0, configuration: { baseURL: v1 } };
const langchain = {
  chat: (model) => new ChatOpenAI({ ...plain, model }),
  responses: (model) => new ChatOpenAI({ ...plain, model, useResponsesApi: true }),
  'responses without storage': (model) => new ChatOpenAI({ ...plain, model, useResponsesApi: true, zdrEnabled: true }),
  messages: (model) =>
    new ChatAnthropic({
      ...key,
      model,
      maxRetries: 0,
      anthropicApiUrl: plan.url,
      maxTokens: 4000,
      thinking: { type: 'enabled', budget_tokens: 2000 },
    }),
  generate: (model) => new ChatGoogleGenerativeAI({ ...key, model, maxRetries: 0, baseUrl: plan.url }),
};
const sdk = {
  chat: (model) => createOpenAI({ ...key, baseURL: v1 }).chat(model),
  compatible: (model) => createOpenAICompatible({ ...key, name: 'gateway', baseURL: v1 })(model),
  messages: (model) => createAnthropic({ ...key, baseURL: v1 })(model),
  generate: (model) => createGoogleGenerativeAI({ ...key, baseURL: `${plan.url}/v1beta` })(model),
};

async function withLangchain(make, model, streamed) {
  const bound = make(model).bindTools([weather]);
  const messages = [new HumanMessage(plan.prompt)];
  const calls = [];
  let answer;
  for (let step = 0; step < STEPS; step += 1) {
    if (streamed) {
      answer = undefined;
      for await (const chunk of await bound.stream(messages)) answer = answer ? answer.concat(chunk) : chunk;
    } else {
      answer = await bound.invoke(messages);
    }
    messages.push(answer);
    if (!answer.tool_calls?.length) break;
    for (const call of answer.tool_calls) {
      calls.push(call.args.city);
      messages.push(await weather.invoke(call));
    }
  }
  return { calls, text: answer.text };
}

async function withSdk(make, model, streamed) {
  const tools = {
    weather: ai.tool({
      description: 'Reports the weather.',
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => plan.results[city],
    }),
  };
  const asked = { model: make(model), tools, prompt: plan.prompt, stopWhen: ai.stepCountIs(STEPS), maxRetries: 0 };
  const result = streamed ? ai.streamText(asked) : await ai.generateText(asked);
  const steps = await result.steps;
  return { calls: steps.flatMap((step) => step.toolCalls.map((call) => call.input.city)), text: await result.text };
}

const seen = {};
for (const model of plan.models) {
  for (const mode of ['whole', 'streamed']) {
    const ways = [
      ...Object.entries(langchain).map(([name, make]) => [`langchain.js ${name}`, withLangchain, make]),
      ...Object.entries(sdk).map(([name, make]) => [`ai-sdk ${name}`, withSdk, make]),
    ];
    for (const [name, run, make] of ways) {
      try {
        seen[`${name} ${model} ${mode}`] = await run(make, model, mode === 'streamed');
      } catch (error) {
        seen[`${name} ${model} ${mode}`] = { failed: String(error).slice(0, 500) };
      }
    }
  }
}
process.stdout.write(JSON.stringify(seen));
