// A mock of the OpenAI API that says what its model's name and the words of a prompt ask for, deterministically.
import http from 'node:http';

const topics = [[/apolog/, 0], [/refund|parcel|order/i, 1], [/deploy/i, 2], [/report|incident/i, 3], [/退款/, 4], [/SQL/, 5], [/train/, 6], [/contract/, 7], [/e-mail/, 8], [/release notes/, 9], [/mutex/, 10], [/翻译/, 11], [/bug/, 12]];
const replies = [
	'I am sorry that your parcel is late. It left our warehouse on Monday and was held up in transit; it will be with you by Thursday. As a small apology, we have refunded the shipping costs.',
	'Your refund was approved and reaches your card within three to five working days. You will get a confirmation by e-mail.',
	'The deployment failed because the health check on port 8080 timed out. Raise `initialDelaySeconds` to 20 and try again.',
	'Here is a summary: revenue grew by 12 %, mainly in the subscription business; churn fell to 2.1 %.',
	'退款已批准，将在三到五个工作日内退回您的银行卡。如有疑问请随时联系我们。',
	'SELECT customer_id, SUM(total) FROM orders WHERE created_at > now() - interval \'30 days\' GROUP BY 1 ORDER BY 2 DESC LIMIT 10;',
	'I would suggest the 14:05 train: it is direct, takes 2 h 40 min and costs 39 euros.',
	'The contract can be terminated with three months\' notice to the end of a quarter (section 7.2).',
	'Here is a polite version: "Thank you for your patience. We have found the cause and will ship a fix today."',
	'Neu in dieser Version: ein schnellerer Import, eine dunkle Ansicht und 14 behobene Fehler.',
	'A mutex is owned by the thread that locked it; a semaphore counts permits and may be released by anybody.',
	'We would be grateful if you could confirm receipt of the documents at your earliest convenience.',
	'The loop tests `while (node.next)`, which never changes for an empty list. Test `node` instead.',
];

export const hash = (text) => [...text].reduce((h, c) => (Math.imul(h, 31) + c.codePointAt(0)) >>> 0, 7);
const wait = (ms) => new Promise((r) => setTimeout(r, ms));

function replyOf(body) {
	const last = body.messages.filter((m) => m.role === 'user').at(-1)?.content ?? '';
	const text = typeof last === 'string' ? last : JSON.stringify(last);
	const say = /\[say ([\s\S]*)\]/.exec(text);
	if (say) return say[1];
	const long = /\[bytes (\d+)\]/.exec(text);
	if (long) return 'A long line of an answer. '.repeat(Math.ceil(long[1] / 26)).slice(0, Number(long[1]));
	const topic = topics.find(([word]) => word.test(text));
	if (topic?.[1] === 0 && body.model !== 'gpt-4o') return 'Please accept our apologies for the delay with your order. This is not the service you expect from us. Your parcel arrives on Thursday, and the next delivery is on us.';
	return replies[topic ? topic[1] : hash(text) % replies.length];
}

export async function startUpstream() {
	const seen = { requests: 0, aborted: 0, bodies: [] };
	const server = http.createServer(async (req, res) => {
		let raw = '';
		for await (const piece of req) raw += piece;
		seen.requests++;
		res.on('close', () => { if (!res.writableEnded) seen.aborted++; });
		const body = JSON.parse(raw || '{}');
		if (seen.bodies.push({ headers: req.headers, body }) > 50) seen.bodies.shift();
		const text = JSON.stringify(body.messages ?? '');
		const status = Number(/\[status (\d+)\]/.exec(text)?.[1] ?? 0) || (body.model?.startsWith('fail-') ? Number(body.model.slice(5)) : 0);
		const delay = Number(/\[delay (\d+)\]/.exec(text)?.[1] ?? 0) || 4 + (hash(text) % 40);
		await wait(delay);
		if (status) {
			const said = { 429: 'Rate limit reached for requests. Please slow down.', 401: 'Incorrect API key provided.', 500: 'The server had an error while processing your request.', 503: 'The engine is currently overloaded, please try again later.' };
			res.writeHead(status, { 'content-type': 'application/json' });
			res.end(JSON.stringify({ error: { message: said[status] ?? `status ${status}`, type: 'error', code: null } }));
			return;
		}
		const answer = replyOf(body), usage = { prompt_tokens: 20 + (text.length >> 2), completion_tokens: Math.max(1, answer.length >> 2), total_tokens: 0 };
		usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
		const asked = body.messages.at(-1);
		const tool = body.tools?.length && asked.role === 'user' ? { id: `call_${hash(text).toString(16)}`, type: 'function', function: { name: body.tools[0].function.name, arguments: '{"order_id":"A-1042"}' } } : null;
		const base = { id: 'chatcmpl-mock', created: 1700000000, model: body.model };
		if (!body.stream) {
			const message = { role: 'assistant', content: tool ? null : answer, ...(tool ? { tool_calls: [tool] } : {}) };
			res.writeHead(200, { 'content-type': 'application/json' });
			res.end(JSON.stringify({ ...base, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: tool ? 'tool_calls' : 'stop' }], usage }));
			return;
		}
		res.writeHead(200, { 'content-type': 'text/event-stream' });
		const send = (delta, more = {}) => res.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: null }], ...more })}\n\n`);
		const slow = Number(/\[slow (\d+)\]/.exec(text)?.[1] ?? 0);
		for (const piece of answer.length > 20000 ? [answer] : (answer.match(/[\s\S]{1,24}/gu) ?? [])) {
			if (res.destroyed) return;
			send({ content: piece });
			if (slow) await wait(slow);
			else if (hash(piece) % 3 === 0) await wait(3);
		}
		res.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`);
		if (body.stream_options?.include_usage) res.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [], usage })}\n\n`);
		res.end('data: [DONE]\n\n');
	});
	server.keepAliveTimeout = 60000;
	await new Promise((r) => server.listen(0, '127.0.0.1', r));
	return { url: `http://127.0.0.1:${server.address().port}/v1`, seen, close: () => { server.closeAllConnections(); server.close(); } };
}
