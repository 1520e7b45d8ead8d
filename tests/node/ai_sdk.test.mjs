// The Vercel AI SDK against /v1/chat/completions, by its two providers: openai (.chat) and openai-compatible (OpenCode's way).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const baseURL = process.env.SIGNET_URL + '/v1';
const openai = createOpenAI({ baseURL, apiKey: 'none' });
const compatible = createOpenAICompatible({ name: 'signet', baseURL, includeUsage: true });
const weather = () => tool({ description: 'Weather of a city.', inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` });

for (const [name, model] of [['openai', (id) => openai.chat(id)], ['openai-compatible', (id) => compatible(id)]]) {
  const options = (id, more) => ({ model: model(id), prompt: 'Hi', maxRetries: 0, ...more });

  test(`ai, ${name}: text and usage`, async () => {
    const got = await generateText(options('plain'));
    assert.equal(got.text, 'Good day.');
    assert.equal(got.finishReason, 'stop');
    assert.equal(got.usage.totalTokens, 18);
  });

  test(`ai, ${name}: a stream, with its usage and finish reason`, async () => {
    const got = streamText(options('stream'));
    let text = '';
    for await (const piece of got.textStream) text += piece;
    assert.equal(text, 'Grüße 😀!');
    assert.equal(await got.finishReason, 'stop');
    assert.equal((await got.usage).totalTokens, 18);
  });

  test(`ai, ${name}: parallel tool calls, streamed`, async () => {
    const got = streamText(options('tools-stream', { tools: { get_weather: weather() } }));
    const calls = await got.toolCalls;
    assert.deepEqual(calls.map((c) => [c.toolCallId, c.toolName, c.input]), [['call_A', 'get_weather', { city: 'Oslo' }], ['call_B', 'get_weather', { city: 'Rome' }]]);
    assert.equal(await got.finishReason, 'tool-calls');
  });

  test(`ai, ${name}: a tool's result goes back and ends the loop`, async () => {
    const got = await generateText(options('tools-once', { tools: { get_weather: weather() }, stopWhen: stepCountIs(3) }));
    assert.equal(got.text, 'It is sunny.');
    assert.equal(got.steps.length, 2);
    assert.equal(got.steps[0].toolResults[0].output, 'sunny in Oslo');
  });

  test(`ai, ${name}: an object of a schema`, async () => {
    const got = await generateText(options('schema', { output: Output.object({ schema: z.object({ name: z.string() }) }) }));
    assert.deepEqual(got.output, { name: 'Oslo' });
  });

  test(`ai, ${name}: an image`, async () => {
    const content = [{ type: 'text', text: 'What?' }, { type: 'image', image: new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]) }];
    const got = await generateText({ model: model('echo-parts'), messages: [{ role: 'user', content }], maxRetries: 0 });
    assert.match(got.text, /^text,image_url:data:image\/png;base64,iVBORw0KGgo=/);
  });

  for (const status of [401, 429, 500])
    test(`ai, ${name}: an upstream's ${status}`, async () => {
      await assert.rejects(generateText(options(`fail-${status}`)), (e) => e.statusCode >= 400 && e.message.includes('the cause'));
    });

  test(`ai, ${name}: an error inside a stream is told`, async () => {
    const errors = [];
    const got = streamText(options('broken', { onError: ({ error }) => errors.push(String(error?.message ?? error)) }));
    let text = '';
    for await (const part of got.fullStream) if (part.type === 'text-delta') text += part.text;
    assert.equal(text, 'Half');
    assert.equal(errors.length, 1);
    assert.match(errors[0], /overloaded/);
  });

  test(`ai, ${name}: leaving a stream`, async () => {
    const stop = new AbortController();
    const got = streamText(options('hang-stream', { abortSignal: stop.signal }));
    for await (const piece of got.textStream) { assert.equal(piece, 'a'); stop.abort(); }
  });
}

test('ai, openai-compatible: reasoning stands beside the text', async () => {
  const got = await generateText({ model: compatible('reasoning'), prompt: 'Hi', maxRetries: 0 });
  assert.equal(got.reasoningText, 'hm');
  assert.equal(got.text, 'So.');
});
