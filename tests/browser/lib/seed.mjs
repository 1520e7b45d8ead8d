// A day of traffic, recorded by the gateway itself under a clock that runs ahead (clock.c).
import { openSync, writeSync, closeSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildClock, configOf, startDeveloperApi, startGateway } from './gateway.mjs';
import { hash, startUpstream } from './upstream.mjs';

const asks = [
	'I want a refund for order A-1042, the parcel never arrived.', 'Why did the last deployment of checkout-service fail?', 'Summarise the quarterly report in three sentences.', '我想申请退款，包裹一直没有收到。',
	'Write SQL for the ten best customers of the last month.', 'Which train to Hamburg is the cheapest tomorrow afternoon?', 'When can this contract be terminated?', 'Rewrite this e-mail so that it sounds friendlier.',
	'Translate the release notes into German.', 'Explain the difference between a mutex and a semaphore.', '请把这段话翻译成英文，语气要正式。', 'Find the bug: the loop never ends when the list is empty.',
];
const models = ['gpt-4o', 'gpt-4o', 'gpt-4o', 'claude-sonnet', 'claude-sonnet', 'deepseek-chat', 'qwen-max', 'gemini-flash', 'gpt-4o-fallback'];
const apps = ['checkout-bot', 'support-desk', 'data-studio', 'nightly-batch'];
const tools = [{ type: 'function', function: { name: 'lookup_order', description: 'The state of an order', parameters: { type: 'object', properties: { order_id: { type: 'string' } }, required: ['order_id'] } } }];
const DAY = 86400e9;

let rolls = 1;
const roll = (n) => { rolls = (Math.imul(rolls, 1103515245) + 12345) >>> 0; return (rolls >>> 8) % n; };

export async function ask(gateway, body, headers = {}) {
	const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
	await response.arrayBuffer();
	return response;
}

const one = (model, content, more = {}) => ({ model, messages: [{ role: 'user', content }], ...more });

function random(hour) {
	const model = models[roll(models.length)], text = `${asks[roll(asks.length)]} (${roll(9000) + 1000})`;
	const messages = [{ role: 'system', content: 'You are a helpful assistant of Northwind. Answer briefly.' }, { role: 'user', content: text }];
	const more = { temperature: 0.2 + roll(8) / 10, max_tokens: 400, stream: roll(3) > 0, 'tensorzero::tags': { app: apps[roll(apps.length)], user: `u${roll(40)}` } };
	if (more.stream) more.stream_options = { include_usage: true };
	if (roll(40) === 0 || (hour === 15 && roll(8) === 0)) return one('broken', text, more);
	if (roll(90) === 0) return one(model, `${text} [status 500]`, more);
	if (roll(120) === 0) return one('gpt-5-nonexistent', text, more);
	if (roll(25) === 0) return { model, messages, ...more, tools, stream: false };
	return { model, messages, ...more };
}

/** The last rows: one of each kind that a page shows in its own way. */
export const special = [
	{ name: 'tools', body: { model: 'gpt-4o', tools, messages: [
		{ role: 'system', content: 'You are the support desk of Northwind.' }, { role: 'user', content: 'Where is my order A-1042?' },
		{ role: 'assistant', content: null, tool_calls: [{ id: 'call_7', type: 'function', function: { name: 'lookup_order', arguments: '{"order_id":"A-1042"}' } }] },
		{ role: 'tool', tool_call_id: 'call_7', content: '{"state":"shipped","carrier":"DHL","eta":"2026-12-02"}' },
	], temperature: 0.2 } },
	{ name: 'hostile', body: one('claude-sonnet', '<script>alert(1)</script> ![x](https://evil.example/x.png) \u202Egnp.exe =HYPERLINK("https://evil.example") [say <img src=x onerror=alert(2)> \u202Ereversed\u202C **bold** =1+1]') },
	{ name: 'rtl', body: one('qwen-max', 'مرحبا، أريد استرداد المبلغ. [say مرحبًا! تمت الموافقة على طلب الاسترداد.]') },
	{ name: 'fallback', body: one('gpt-4o-fallback', 'Summarise the incident of last night for the status page.', { stream: true, stream_options: { include_usage: true } }) },
	{ name: 'failed', body: one('broken', 'Why is the edge cluster slow?') },
	{ name: 'unknown', body: one('gpt-9', 'Is anybody there?') },
	{ name: 'signed', body: one('sonnet-signed', 'Hello, signed world!', { stream: true }) },
];

export async function seed({ steps = 96, each = 24, large = true, scale = 20, env = {} } = {}) {
	const dir = mkdtempSync(join(tmpdir(), 'signet-seed-'));
	const clock = join(dir, 'clock'), fd = openSync(clock, 'w+');
	const shift = (ns) => { const b = Buffer.alloc(8); b.writeBigInt64LE(BigInt(Math.round(ns))); writeSync(fd, b, 0, 8, 0); };
	shift(-DAY);
	const upstream = await startUpstream(), api = await startDeveloperApi(dir);
	const config = configOf(upstream.url, api.url, api.wasm);
	const past = await startGateway({ config, dir, keep: true, env: { ...env, LD_PRELOAD: buildClock(dir), SIGNET_CLOCK: clock, SIGNET_CLOCK_SCALE: String(scale) } });
	for (let i = 0; i < steps; i++) {
		shift(-DAY + (DAY * i) / steps);
		const hour = Math.floor((24 * i) / steps), busy = 0.35 + 0.65 * Math.max(0, Math.sin(((hour - 5) / 24) * Math.PI * 2)) ** 0.7;
		const n = Math.max(2, Math.round(each * (Number.isNaN(busy) ? 0.35 : busy) * (0.8 + roll(40) / 100)));
		await Promise.all(Array.from({ length: n }, () => ask(past, random(hour))));
	}
	await past.stop();
	shift(0);
	closeSync(fd);
	const gateway = await startGateway({ config, dir, env });
	const ids = {};
	for (const s of special) ids[s.name] = (await ask(gateway, s.body)).headers.get('x-signet-inference-id');
	if (large) ids.large = (await ask(gateway, one('deepseek-chat', 'A very long answer, please. [bytes 5000000]'))).headers.get('x-signet-inference-id');
	await new Promise((r) => setTimeout(r, 1500));
	return { gateway, upstream, config, ids, stop: async () => { await gateway.stop(); await api.stop(); upstream.close(); } };
}

export { hash };
