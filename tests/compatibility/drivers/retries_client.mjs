// OpenAI's or Anthropic's SDK for JavaScript with its default settings: asks once at each address of the plan, and
// writes what came of it and how long it took.
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const require = createRequire(path.join(process.argv[2], 'package.json'));
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const plan = JSON.parse(Buffer.concat(chunks).toString());
const messages = [{ role: 'user', content: 'hi' }];

function asking(url) {
  if (plan.sdk === 'openai') {
    const OpenAI = require('openai').default;
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k' });
    return () => client.chat.completions.create({ model: plan.model, messages });
  }
  const Anthropic = require('@anthropic-ai/sdk').default;
  const client = new Anthropic({ baseURL: url, apiKey: 'k' });
  return () => client.messages.create({ model: plan.model, max_tokens: 50, messages });
}

const began = Date.now();
let outcome;
try {
  await asking(plan.url)();
  outcome = 'answered';
} catch (error) {
  outcome = error.constructor.name;
}
process.stdout.write(JSON.stringify({ outcome, seconds: (Date.now() - began) / 1000 }));
