// How the application speaks with the gateway: where it is, the CSRF token, errors as values that a page can show.

const appBase = new URL(document.baseURI).pathname; // "/ui/", "/gw/ui/", or "/" on a port of its own
export const routerBase = appBase.replace(/\/$/, '');
const gatewayBase = appBase.endsWith('/ui/') ? appBase.slice(0, -4) : '';
export const readOnly = document.querySelector<HTMLMetaElement>('meta[name=signet-mode]')?.content === 'read-only';

let csrf = '';
export function setCsrf(token: string): void {
	csrf = token;
}

export class ApiError extends Error {
	constructor(
		public status: number,
		public route: string,
		text: string,
		public body: unknown = null,
		public retryAfterS = 0,
	) {
		super(text);
	}
}

type Listener = (event: 'unauthorized' | 'offline' | 'online') => void;
const listeners = new Set<Listener>();
export function onTransport(listener: Listener): () => void {
	listeners.add(listener);
	return () => listeners.delete(listener);
}
const tell = (event: Parameters<Listener>[0]) => listeners.forEach((l) => l(event));

export function urlOf(path: string): string {
	return gatewayBase + path;
}
export const signet = (path: string) => `/internal/signet${path}`;

async function textOf(response: Response): Promise<[string, unknown]> {
	const text = await response.text().catch(() => '');
	try {
		const body = JSON.parse(text) as { error?: unknown };
		const error = body.error;
		if (typeof error === 'string') return [error, body];
		if (error && typeof error === 'object' && 'message' in error) return [String(error.message), body];
		return [text, body];
	} catch {
		return [text || response.statusText, null];
	}
}

export interface CallOptions {
	method?: string;
	body?: unknown;
	signal?: AbortSignal;
	headers?: Record<string, string>;
	quiet?: boolean; // a 401 is the caller's to show
}

export async function send(path: string, options: CallOptions = {}): Promise<Response> {
	const { method = 'GET', body, signal, headers = {}, quiet = false } = options;
	const all: Record<string, string> = { ...headers };
	if (method !== 'GET') {
		all['content-type'] = 'application/json';
		all['x-signet-csrf'] = csrf || '1';
	}
	let response: Response;
	try {
		response = await fetch(urlOf(path), {
			method, headers: all, signal, credentials: 'same-origin', cache: 'no-store',
			body: body === undefined ? (method === 'GET' ? undefined : '{}') : JSON.stringify(body),
		});
	} catch (error) {
		if (!signal?.aborted) tell('offline');
		throw signal?.aborted ? error : new ApiError(0, path, String(error instanceof Error ? error.message : error));
	}
	if (response.status === 502 && response.headers.get('x-signet-ui')) tell('offline');
	else tell('online');
	if (!response.ok && response.status !== 206) {
		const [text, parsed] = await textOf(response);
		if (response.status === 401 && !quiet) tell('unauthorized');
		throw new ApiError(response.status, path, text, parsed, Number(response.headers.get('retry-after')) || 0);
	}
	return response;
}

export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
	const response = await send(path, options);
	return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Events of a stream (RFC: text/event-stream), one JSON value each. */
export async function* events(response: Response): AsyncGenerator<{ event: string; id: string; data: string }> {
	const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	try {
		for (;;) {
			const { done, value } = await reader.read();
			rest += value ?? '';
			if (done && rest) rest += '\n\n';
			for (;;) {
				const end = /\r?\n\r?\n/.exec(rest);
				if (!end) break;
				const block = rest.slice(0, end.index);
				rest = rest.slice(end.index + end[0].length);
				let event = 'message', id = '', data = '';
				for (const line of block.split(/\r?\n/)) {
					if (line.startsWith('event:')) event = line.slice(6).trim();
					else if (line.startsWith('id:')) id = line.slice(3).trim();
					else if (line.startsWith('data:')) data += (data ? '\n' : '') + line.slice(5).replace(/^ /, '');
				}
				if (data) yield { event, id, data };
			}
			if (done) return;
		}
	} finally {
		reader.cancel().catch(() => undefined);
	}
}

/** Where clients reach the gateway: behind `signet ui` only the gateway itself can say. */
export function gatewayUrl(publicUrl: string | null | undefined): string {
	if (publicUrl) return publicUrl.replace(/\/$/, '');
	return appBase.endsWith('/ui/') ? window.location.origin + gatewayBase : 'http://localhost:3000';
}
