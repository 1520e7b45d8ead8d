// The official openai client for Node against both profiles. test_node.py starts Signet and the upstream, whose
// answer hangs on the model's name, and passes SIGNET_URL.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const HI = [{ role: 'user', content: 'Hi' }];
const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather of a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  },
};

for (const [profile, path, prefix] of [['openai', '/v1', ''], ['tensorzero', '/openai/v1', 'tensorzero::model_name::']]) {
  const make = (options) => new OpenAI({ baseURL: process.env.SIGNET_URL + path, apiKey: 'none', maxRetries: 0, timeout: 10000, ...options });
  const client = make();
  const create = (model, more, c = client) => c.chat.completions.create({ model: prefix + model, messages: HI, ...more });
  const is = profile === 'openai';

  test(`${profile}: chat`, async () => {
    const got = await create('plain');
    assert.equal(got.choices[0].message.content, 'Good day.');
    assert.equal(got.choices[0].finish_reason, 'stop');
    assert.equal(got.usage.total_tokens, 18);
    assert.equal(got.model, is ? 'plain' : 'tensorzero::model_name::plain');
    assert.match(got._request_id, /^req_[0-9a-f]{32}$/);
  });

  test(`${profile}: stream`, async () => {
    let text = '';
    let finish = null;
    for await (const chunk of await create('stream', { stream: true })) {
      if (!chunk.choices.length) assert.fail('a chunk without a choice, though no usage was asked for');
      text += chunk.choices[0].delta.content ?? '';
      finish = chunk.choices[0].finish_reason ?? finish;
    }
    assert.equal(text, 'Grüße 😀!');
    assert.equal(finish, 'stop');
  });

  test(`${profile}: usage in the stream`, async () => {
    let usage = null;
    for await (const chunk of await create('stream', { stream: true, stream_options: { include_usage: true } })) {
      assert.equal(usage, null, 'a chunk after the usage');
      usage = chunk.usage ?? null;
    }
    assert.equal(usage.prompt_tokens, 11);
    assert.equal(usage.completion_tokens, 7);
  });

  test(`${profile}: the stream helper accumulates parallel tool calls`, async () => {
    const runner = client.chat.completions.stream({ model: prefix + 'tools-stream', messages: HI, tools: [WEATHER] });
    const final = await runner.finalChatCompletion();
    const calls = final.choices[0].message.tool_calls.map((c) => [c.id, c.function.name, c.function.arguments]);
    assert.deepEqual(calls, [
      ['call_A', 'get_weather', '{"city":"Oslo"}'],
      ['call_B', 'get_weather', '{"city":"Rome"}'],
    ]);
    assert.equal(final.choices[0].finish_reason, 'tool_calls');
  });

  test(`${profile}: tools, with the result sent back`, async () => {
    const first = await create('tools', { tools: [WEATHER], parallel_tool_calls: true });
    const message = first.choices[0].message;
    assert.equal(message.tool_calls.length, 2);
    assert.equal(message.content, null);
    const results = message.tool_calls.map((c) => ({ role: 'tool', tool_call_id: c.id, content: 'sunny' }));
    const second = await client.chat.completions.create({ model: prefix + 'plain', messages: [...HI, message, ...results], tools: [WEATHER] });
    assert.equal(second.choices[0].message.content, 'Good day.');
  });

  test(`${profile}: runTools`, async () => {
    const asked = [];
    const runner = client.chat.completions.runTools({
      model: prefix + 'tools-once',
      messages: HI,
      tools: [{ type: 'function', function: { ...WEATHER.function, parse: JSON.parse, function: ({ city }) => { asked.push(city); return 'sunny'; } } }],
    });
    assert.equal(await runner.finalContent(), 'It is sunny.');
    assert.deepEqual(asked, ['Oslo']);
  });

  test(`${profile}: images`, async () => {
    const got = await client.chat.completions.create({
      model: prefix + 'echo-parts',
      messages: [{ role: 'user', content: [
        { type: 'text', text: 'What?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } },
      ] }],
    });
    assert.equal(got.choices[0].message.content, 'text,image_url:data:image/png;base64,iVBORw0KGgo=:low');
  });

  test(`${profile}: JSON schema`, async () => {
    const got = await client.chat.completions.parse({
      model: prefix + 'schema',
      messages: HI,
      response_format: { type: 'json_schema', json_schema: { name: 'city', strict: true, schema: {
        type: 'object', properties: { name: { type: 'string' } }, required: ['name'], additionalProperties: false } } },
    });
    assert.equal(JSON.parse(got.choices[0].message.content).name, 'Oslo');
  });

  const failures = [
    ['fail-400', OpenAI.BadRequestError, 400],
    ['fail-404', OpenAI.NotFoundError, 404],
    ['fail-429', OpenAI.RateLimitError, 429],
    ['fail-401', OpenAI.InternalServerError, 502],
    ['fail-500', OpenAI.InternalServerError, 500],
    ['fail-503', OpenAI.InternalServerError, 503],
  ];
  for (const [model, kind, status] of failures)
    for (const stream of [false, true])
      test(`${profile}: ${model}${stream ? ' streamed' : ''}`, async () => {
        await assert.rejects(create(model, { stream }), (e) => {
          assert.ok(e instanceof OpenAI.APIError);
          assert.match(e.message, /the cause/);
          assert.match(e.requestID, /^req_/);
          assert.equal(e.status, is ? status : 502);
          if (is) assert.ok(e instanceof kind, e.constructor.name);
          return true;
        });
      });

  test(`${profile}: unknown model`, async () => {
    await assert.rejects(create('nope'), (e) => {
      assert.equal(e.status, is ? 404 : 400);
      if (is) assert.deepEqual([e.code, e.param, e.type], ['model_not_found', 'model', 'invalid_request_error']);
      return true;
    });
  });

  test(`${profile}: an error in mid-stream`, async () => {
    let text = '';
    await assert.rejects(async () => {
      for await (const chunk of await create('broken', { stream: true })) text += chunk.choices[0]?.delta.content ?? '';
    }, /overloaded/);
    assert.equal(text, 'Half');
  });

  test(`${profile}: timeout`, async () => {
    await assert.rejects(create('hang', {}, make({ timeout: 300 })), OpenAI.APIConnectionTimeoutError);
  });

  test(`${profile}: abort before the answer`, async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 200);
    await assert.rejects(client.chat.completions.create({ model: prefix + 'hang', messages: HI }, { signal: abort.signal }), OpenAI.APIUserAbortError);
  });

  test(`${profile}: abort in mid-stream`, async () => {
    const stream = await create('hang-stream', { stream: true });
    for await (const chunk of stream) {
      assert.equal(chunk.choices[0].delta.content, 'a');
      stream.controller.abort();
    }
  });

  test(`${profile}: the client's own retry`, async () => {
    const got = await create(`flaky-${profile}`, {}, make({ maxRetries: 2 }));
    assert.equal(got.choices[0].message.content, 'at last');
  });

  test(`${profile}: models`, async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes('plain') && ids.includes('stream'));
    assert.equal((await client.models.retrieve('plain')).id, 'plain');
    await assert.rejects(client.models.retrieve('nope'), OpenAI.NotFoundError);
  });

  test(`${profile}: many at once`, async () => {
    const all = await Promise.all(Array.from({ length: 30 }, () => create('plain')));
    assert.ok(all.every((a) => a.choices[0].message.content === 'Good day.'));
    assert.equal(new Set(all.map((a) => a.id)).size, 30);
  });
}
