// One column's request: its answer as it streams, and what it took.
import { useCallback, useRef, useState } from 'react';
import { chat } from '../../api/routes';
import { ApiError, events } from '../../api/http';

export interface Run {
	state: 'idle' | 'running' | 'done' | 'stopped' | 'failed';
	text: string;
	thought: string;
	tools: { name: string; args: string }[];
	error: string | null;
	ms: number | null;
	ttft: number | null;
	in: number | null;
	out: number | null;
	inference: string | null;
	provider: string | null;
}

export const idle: Run = { state: 'idle', text: '', thought: '', tools: [], error: null, ms: null, ttft: null, in: null, out: null, inference: null, provider: null };

export interface Ask {
	system: string;
	user: string;
	temperature: string;
	maxTokens: string;
	store: boolean;
	messages?: { role: string; content: string }[];
}

interface Chunk {
	choices?: { delta?: { content?: string | null; reasoning_content?: string | null; reasoning?: string | null; tool_calls?: { index: number; function?: { name?: string; arguments?: string } }[] } }[];
	usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
	error?: { message?: string } | string;
}

function take(run: Run, chunk: Chunk, started: number): void {
	const delta = chunk.choices?.[0]?.delta;
	const thought = delta?.reasoning_content ?? delta?.reasoning;
	if (run.ttft === null && (delta?.content || thought || delta?.tool_calls)) run.ttft = performance.now() - started;
	if (delta?.content) run.text += delta.content;
	if (thought) run.thought += thought;
	for (const call of delta?.tool_calls ?? []) {
		const tool = (run.tools[call.index] ??= { name: '', args: '' });
		tool.name += call.function?.name ?? '';
		tool.args += call.function?.arguments ?? '';
	}
	if (chunk.usage) {
		run.in = chunk.usage.prompt_tokens ?? null;
		run.out = chunk.usage.completion_tokens ?? null;
	}
	if (chunk.error) throw new Error(typeof chunk.error === 'string' ? chunk.error : (chunk.error.message ?? ''));
}

export function useRun(): { run: Run; start: (model: string, ask: Ask) => Promise<void>; stop: () => void } {
	const [run, setRun] = useState<Run>(idle);
	const abort = useRef<AbortController | null>(null);
	const stop = useCallback(() => abort.current?.abort(), []);
	const start = useCallback(async (model: string, ask: Ask) => {
		abort.current?.abort();
		const controller = (abort.current = new AbortController());
		const now: Run = { ...idle, state: 'running', tools: [] };
		const started = performance.now();
		let due = 0;
		const draw = (force?: boolean) => {
			if (force || performance.now() > due) { // some twenty times a second is as fast as anybody reads
				due = performance.now() + 50;
				if (abort.current === controller) setRun({ ...now, tools: [...now.tools], ms: performance.now() - started });
			}
		};
		draw(true);
		try {
			const messages = [...(ask.system ? [{ role: 'system', content: ask.system }] : []), ...(ask.messages ?? []), ...(ask.user ? [{ role: 'user', content: ask.user }] : [])];
			const response = await chat({
				model, messages, stream: true, stream_options: { include_usage: true }, 'tensorzero::tags': { ui: 'playground' },
				...(ask.temperature ? { temperature: Number(ask.temperature) } : {}), ...(ask.maxTokens ? { max_tokens: Number(ask.maxTokens) } : {}), ...(ask.store ? {} : { 'tensorzero::dryrun': true }),
			}, controller.signal);
			now.inference = response.headers.get('x-signet-inference-id');
			now.provider = response.headers.get('x-signet-provider');
			for await (const e of events(response)) {
				if (e.data === '[DONE]') break;
				take(now, JSON.parse(e.data) as Chunk, started);
				draw();
			}
			now.state = 'done';
		} catch (error) {
			now.state = controller.signal.aborted ? 'stopped' : 'failed';
			if (!controller.signal.aborted) now.error = error instanceof ApiError ? `${error.status || ''} ${error.message}`.trim() : String(error instanceof Error ? error.message : error);
		}
		draw(true);
	}, []);
	return { run, start, stop };
}
