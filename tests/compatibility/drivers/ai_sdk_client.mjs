// The Vercel AI SDK with the Responses API: a tool loop of several steps, as it runs by default, with items that are
// kept by whoever answers. Reads a plan from standard input and writes what it saw.
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const require = createRequire(path.join(process.argv[2], 'package.json'));
const { generateText, streamText, stepCountIs, tool } = require('ai');
const { createOpenAI } = require('@ai-sdk/openai');
const { z } = require('zod');

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const plan = JSON.parse(Buffer.concat(chunks).toString());
const openai = createOpenAI({ baseURL: plan.base_url, apiKey: 'sk-test' });
const tools = {
  weather: tool({
    description: 'Reports the weather.',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => plan.results[city],
  }),
};

const seen = {};
for (const model of plan.models) {
  for (const mode of ['whole', 'streamed']) {
    const asked = { model: openai.responses(model), tools, prompt: plan.prompt, stopWhen: stepCountIs(4) };
    try {
      const result = mode === 'whole' ? await generateText(asked) : streamText(asked);
      const steps = await result.steps;
      seen[`${model} ${mode}`] = {
        calls: steps.flatMap((step) => step.toolCalls.map((call) => call.input.city)),
        text: await result.text,
        ids: steps.map((step) => step.response.id),
      };
      if (plan.continued) {
        const previousResponseId = (await result.providerMetadata).openai.responseId;
        const next = await generateText({
          model: openai.responses(model),
          prompt: 'And now?',
          providerOptions: { openai: { previousResponseId } },
        });
        seen[`${model} ${mode}`].next = next.text;
      }
    } catch (error) {
      seen[`${model} ${mode}`] = { failed: String(error), body: error.responseBody };
    }
  }
}
process.stdout.write(JSON.stringify(seen));
