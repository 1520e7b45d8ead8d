// Clients for Node, driven by tests/http/pairs/node_driver.py: a line of JSON in is a step, a line out what came of it. One process
// serves all steps, so that a step costs a request and no start.
import readline from 'node:readline';
import Anthropic from '@anthropic-ai/sdk';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { embedMany, generateText, jsonSchema, Output, streamText, tool } from 'ai';
import OpenAI from 'openai';

globalThis.AI_SDK_LOG_WARNINGS = false;
const TIMEOUT_MS = 15000;
const clients = new Map();

function once(step, make) {
  const name = [step.client, step.surface, step.url, step.key].join(' ');
  if (!clients.has(name)) clients.set(name, make());
  return clients.get(name);
}

const openai = (step) => once(step, () => new OpenAI({ baseURL: step.url + '/v1', apiKey: step.key, maxRetries: 0, timeout: TIMEOUT_MS }));
const anthropic = (step) => once(step, () => new Anthropic({ baseURL: step.url, apiKey: step.key, maxRetries: 0, timeout: TIMEOUT_MS }));

// ---- the official clients: a body in, the answer out ----

// (how a whole answer is asked for, a stream of events, the helper that gathers, and what an event adds)
const OFFICIAL = {
  'openai chat': {
    create: (step, fields, options) => openai(step).chat.completions.create(fields, options),
    gather: (step) => openai(step).chat.completions.stream({ ...step.fields, stream_options: { include_usage: true } }),
    final: (events) => events.finalChatCompletion(),
    delta: (e) => Boolean(e.choices[0]?.delta.content),
    thought: (e) => e.choices[0]?.delta.reasoning_content ?? '',
  },
  'openai responses': {
    create: (step, fields, options) => openai(step).responses.create(fields, options),
    gather: (step) => openai(step).responses.stream(step.fields),
    final: (events) => events.finalResponse(),
    delta: (e) => e.type === 'response.output_text.delta',
    thought: () => '',
  },
  'anthropic messages': {
    create: (step, fields, options) => anthropic(step).messages.create(fields, options),
    gather: (step) => anthropic(step).messages.stream(step.fields),
    final: (events) => events.finalMessage(),
    delta: (e) => e.type === 'content_block_delta' && e.delta.type === 'text_delta',
    thought: () => '',
  },
};

async function askOfficial(step) {
  const way = OFFICIAL[`${step.client} ${step.surface}`];
  if (!step.stream) return { got: await way.create(step, step.fields), deltas: 0, thought: '' };
  const events = way.gather(step);
  let deltas = 0;
  let thought = '';
  for await (const event of events) {
    deltas += way.delta(event) ? 1 : 0;
    thought += way.thought(event);
  }
  return { got: await way.final(events), deltas, thought };
}

// ---- the Vercel AI SDK ----

function aiModel(step) {
  if (step.surface === 'messages') return once(step, () => createAnthropic({ baseURL: step.url + '/v1', apiKey: step.key }))(step.fields.model);
  const provider = once(step, () => createOpenAI({ baseURL: step.url + '/v1', apiKey: step.key }));
  return step.surface === 'chat' ? provider.chat(step.fields.model) : provider.responses(step.fields.model);
}

function aiOptions(step, abortSignal) {
  const { messages, tools, system, schema, choice, limit, own } = step.fields;
  return {
    model: aiModel(step), messages, maxRetries: 0, abortSignal, providerOptions: own,
    ...(system && { system }),
    ...(tools.length && { tools: Object.fromEntries(tools.map((t) => [t.name, tool({ description: 'd', inputSchema: jsonSchema(t.schema) })])) }),
    ...(choice && { toolChoice: { type: 'tool', toolName: choice } }),
    ...(schema && { output: Output.object({ schema: jsonSchema(schema), name: 's' }) }),
    ...(limit && { maxOutputTokens: limit }),
    onError: () => {}, // what went wrong is in the stream, too
  };
}

async function askAi(step) {
  const options = aiOptions(step, AbortSignal.timeout(TIMEOUT_MS));
  const got = step.stream ? streamText(options) : await generateText(options);
  let deltas = 0;
  if (step.stream)
    for await (const part of got.fullStream) {
      if (part.type === 'error') throw part.error;
      deltas += part.type === 'text-delta' ? 1 : 0;
    }
  const usage = await got.usage;
  return {
    got: {
      text: await got.text, thought: (await got.reasoningText) ?? '', calls: await got.toolCalls, finish: await got.finishReason,
      usage: [usage.inputTokens, usage.outputTokens, usage.inputTokenDetails?.cacheReadTokens ?? 0], messages: (await got.response).messages,
    },
    deltas, thought: '',
  };
}

// ---- embeddings ----

async function embed(step) {
  const { model, input, dimensions } = step.fields;
  if (step.client === 'openai') {
    const got = await openai(step).embeddings.create({ model, input, ...(dimensions && { dimensions }) });
    return { vectors: got.data.map((d) => d.embedding), tokens: got.usage.prompt_tokens };
  }
  const provider = once(step, () => createOpenAI({ baseURL: step.url + '/v1', apiKey: step.key }));
  const got = await embedMany({ model: provider.embedding(model), values: input, maxRetries: 0, ...(dimensions && { providerOptions: { openai: { dimensions } } }) });
  return { vectors: got.embeddings, tokens: got.usage.tokens };
}

// ---- a stream that is left ----

let leave = null;
let events = null;

async function begin(step) {
  leave = new AbortController();
  if (step.client === 'ai') events = streamText(aiOptions(step, leave.signal)).textStream[Symbol.asyncIterator]();
  else {
    const way = OFFICIAL[`${step.client} ${step.surface}`];
    events = (await way.create(step, { ...step.fields, stream: true }, { signal: leave.signal }))[Symbol.asyncIterator]();
  }
  return {};
}

const STEPS = {
  ask: (step) => (step.client === 'ai' ? askAi(step) : askOfficial(step)),
  embed,
  begin,
  next: async () => ({ done: (await events.next()).done ?? false }),
  close: async () => {
    leave.abort();
    return {};
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  let said;
  const step = JSON.parse(line);
  try {
    said = await STEPS[step.op](step);
  } catch (e) {
    said = { error: e.message ?? String(e), name: e.constructor?.name ?? 'Error', status: e.status ?? e.statusCode ?? null };
  }
  process.stdout.write(JSON.stringify(said) + '\n');
}
process.exit(0);
