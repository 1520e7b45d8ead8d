// The request once more, rebuilt from what was recorded, in the format of /v1/chat/completions.
import type { Detail } from '../../api/types';
import { functionOf, json } from '../../parts/format';

type Block = Record<string, unknown>;
type Message = Record<string, unknown>;

const textOf = (content: unknown): string =>
	typeof content === 'string' ? content : Array.isArray(content) ? content.filter((b: Block) => b.type === 'text').map((b: Block) => String(b.text ?? '')).join('\n') : content == null ? '' : json(content);

function messagesOf(input: { system?: unknown; messages?: { role: string; content: unknown }[] }): Message[] {
	const out: Message[] = [];
	if (input.system != null) out.push({ role: 'system', content: textOf(input.system) });
	for (const m of input.messages ?? []) {
		const blocks = Array.isArray(m.content) ? (m.content as Block[]) : [{ type: 'text', text: textOf(m.content) }];
		for (const b of blocks.filter((b) => b.type === 'tool_result')) out.push({ role: 'tool', tool_call_id: b.id, content: textOf(b.result) });
		const calls = blocks.filter((b) => b.type === 'tool_call').map((b) => ({ id: b.id, type: 'function', function: { name: b.name ?? b.raw_name, arguments: typeof b.arguments === 'string' ? b.arguments : JSON.stringify(b.arguments ?? {}) } }));
		const parts = blocks.flatMap((b): Block[] => {
			if (b.type === 'text') return [{ type: 'text', text: b.text ?? '' }];
			const file = (b.file ?? b) as Block;
			if ((b.type === 'file' || b.type === 'image') && file.data) return [{ type: 'image_url', image_url: { url: `data:${String(file.mime_type)};base64,${String(file.data)}` } }];
			if ((b.type === 'file' || b.type === 'image') && (file.url || file.source_url)) return [{ type: 'image_url', image_url: { url: file.url ?? file.source_url } }];
			return [];
		});
		if (!parts.length && !calls.length) continue;
		const content = parts.every((p) => p.type === 'text') ? parts.map((p) => p.text).join('\n') : parts;
		out.push({ role: m.role, content: parts.length ? content : null, ...(calls.length ? { tool_calls: calls } : {}) });
	}
	return out;
}

const kept = new Set(['temperature', 'top_p', 'max_tokens', 'seed', 'presence_penalty', 'frequency_penalty', 'stop_sequences', 'reasoning_effort', 'verbosity', 'service_tier']);

export function requestOf(detail: Detail, input: unknown): Record<string, unknown> {
	const body: Record<string, unknown> = { model: functionOf(detail.row) ? `tensorzero::function_name::${detail.row.function}` : (detail.row.model ?? detail.row.variant ?? ''), messages: messagesOf((input ?? {}) as Parameters<typeof messagesOf>[0]) };
	for (const p of detail.params) if (kept.has(p.key) && p.value !== null) body[p.key === 'stop_sequences' ? 'stop' : p.key] = p.value;
	const tools = (detail.tools as { dynamic_tools?: unknown[] } | null)?.dynamic_tools;
	const list = (Array.isArray(tools) ? tools : []).map((t) => (typeof t === 'string' ? JSON.parse(t) : t) as Block);
	if (list.length) body.tools = list.map((t) => ({ type: 'function', function: { name: t.name, description: t.description, parameters: t.parameters, ...(t.strict ? { strict: true } : {}) } }));
	if (detail.row.stream) body.stream = true;
	return body;
}

export function curlOf(detail: Detail, input: unknown, gateway: string): string {
	const body = JSON.stringify(requestOf(detail, input), null, 2).replace(/'/g, `'\\''`);
	return `curl ${detail.row.stream ? '-N ' : ''}${gateway}/v1/chat/completions \\\n  -H "Authorization: Bearer $SIGNET_API_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${body}'\n`;
}

function python(value: unknown, indent = ''): string {
	const deeper = `${indent}    `;
	if (value === null || value === undefined) return 'None';
	if (typeof value === 'boolean') return value ? 'True' : 'False';
	if (Array.isArray(value)) return value.length ? `[\n${value.map((v) => deeper + python(v, deeper)).join(',\n')},\n${indent}]` : '[]';
	if (typeof value === 'object') {
		const entries = Object.entries(value).filter(([, v]) => v !== undefined);
		return entries.length ? `{\n${entries.map(([k, v]) => `${deeper}${JSON.stringify(k)}: ${python(v, deeper)}`).join(',\n')},\n${indent}}` : '{}';
	}
	return JSON.stringify(value);
}

export function pythonOf(detail: Detail, input: unknown, gateway: string): string {
	const { stream, ...body } = requestOf(detail, input);
	const args = Object.entries(body).map(([k, v]) => `    ${k}=${python(v, '    ')},\n`).join('');
	const head = `import os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url=${JSON.stringify(`${gateway}/v1`)}, api_key=os.environ.get("SIGNET_API_KEY", "none"))\n`;
	return stream
		? `${head}stream = client.chat.completions.create(\n${args}    stream=True,\n)\nfor chunk in stream:\n    if chunk.choices and chunk.choices[0].delta.content:\n        print(chunk.choices[0].delta.content, end="", flush=True)\nprint()\n`
		: `${head}answer = client.chat.completions.create(\n${args})\nprint(answer.choices[0].message)\n`;
}
