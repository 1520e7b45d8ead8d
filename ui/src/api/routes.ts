// A typed function a route.
import { call, send, signet } from './http';
import type { ConfigCheck, ConfigView, Count, Detail, Discovered, Facets, Health, Histogram, KeyInfo, Models, OverviewData, Page, Session, SignerInfo, SignTest } from './types';

type Query = URLSearchParams;
const at = (path: string, query?: Query | Record<string, string | undefined>) => {
	const q = query instanceof URLSearchParams ? query : new URLSearchParams(Object.entries(query ?? {}).filter((e): e is [string, string] => e[1] !== undefined));
	const text = q.toString();
	return signet(path) + (text ? `?${text}` : '');
};
const plus = (query: Query, more: Record<string, string | undefined>): Query => {
	const q = new URLSearchParams(query);
	for (const [k, v] of Object.entries(more)) if (v !== undefined) q.set(k, v);
	return q;
};
const id = encodeURIComponent;

export const getSession = () => call<Session>(at('/session'), { quiet: true });
export const signIn = (body: { user?: string; password: string } | { api_key: string } | { link: string }) =>
	call<void>(at('/session'), { method: 'POST', body, quiet: true });
export const signOut = () => call<void>(at('/session'), { method: 'DELETE' });

export const getHealth = (signal?: AbortSignal) => call<Health>(at('/health'), { signal });
export const getOverview = (q: Query, by: string | undefined, step: string | undefined, signal?: AbortSignal) =>
	call<OverviewData>(at('/overview', plus(q, { by, step })), { signal });

export const getLogs = (q: Query, cursor: string | undefined, signal?: AbortSignal) =>
	call<Page>(at('/logs', plus(q, { limit: '100', cursor })), { signal });
export const getCount = (q: Query, signal?: AbortSignal) => call<Count>(at('/logs/count', q), { signal });
export const getHistogram = (q: Query, buckets: number, signal?: AbortSignal) =>
	call<Histogram>(at('/logs/histogram', plus(q, { buckets: String(buckets) })), { signal });
export const getFacets = (q: Query, dim: string, prefix: string, signal?: AbortSignal) =>
	call<Facets>(at('/logs/facets', plus(q, { dim, prefix: prefix || undefined })), { signal });
export const openLive = (q: Query, after: string | undefined, signal: AbortSignal) =>
	send(at('/logs/live', q), { signal, headers: after ? { 'last-event-id': after } : {} });
export const exportPath = (q: Query, format: 'ndjson' | 'csv') => at('/logs/export', plus(q, { format }));

export const getInference = (inference: string, signal?: AbortSignal) => call<Detail>(at(`/inferences/${id(inference)}`), { signal });
export const partPath = (inference: string, part: 'input' | 'output') => at(`/inferences/${id(inference)}/parts/${part}`);
export const rawPath = (modelInference: string, part: 'raw_request' | 'raw_response' | 'chunks') =>
	at(`/model_inferences/${id(modelInference)}/parts/${part}`);
export const getPart = (path: string, from: number, bytes: number, signal?: AbortSignal) =>
	send(path, { signal, headers: { range: `bytes=${from}-${from + bytes - 1}` } }).then((r) => r.text());

export const getModels = (signal?: AbortSignal) => call<Models>(at('/models'), { signal });
export const testProvider = (model: string, provider: string, prompt: string, signal: AbortSignal) =>
	send(at(`/models/${id(model)}/providers/${id(provider)}/test`), { method: 'POST', signal, body: { prompt: prompt || undefined, max_tokens: 64 } });
export const discover = (model: string, provider: string) =>
	call<Discovered>(at(`/models/${id(model)}/providers/${id(provider)}/discover`), { method: 'POST' });

export const getSigners = (signal?: AbortSignal) => call<{ signers: SignerInfo[] }>(at('/signers'), { signal });
export const testSigner = (signer: string, body: { content: string; device_id?: string; nonce?: string; timestamp?: string; repeat?: number }) =>
	call<SignTest>(at(`/signers/${id(signer)}/test`), { method: 'POST', body });

export const getConfig = (signal?: AbortSignal) => call<ConfigView>(at('/config'), { signal });
export const checkConfig = () => call<ConfigCheck>(at('/config/check'), { method: 'POST' });
export const activateConfig = (hash: string) => call<{ hash: string }>(at('/config/activate'), { method: 'POST', body: { hash } });
export const reloadConfig = (hash: string) => call<{ hash: string }>(at('/config/reload'), { method: 'POST', body: { hash } });

export const getKeys = (signal?: AbortSignal) => call<{ keys: KeyInfo[]; enforced?: boolean }>(at('/keys'), { signal });
export const createKey = (body: { description: string; expires_at?: string; role?: string }) =>
	call<{ public_id: string; key: string }>(at('/keys'), { method: 'POST', body });
export const changeKey = (key: string, body: { description?: string; disabled?: boolean }) =>
	call<void>(at(`/keys/${id(key)}`), { method: 'PATCH', body });
export const rotateKey = (key: string) => call<{ public_id: string; key: string }>(at(`/keys/${id(key)}/rotate`), { method: 'POST' });

export interface ChatRequest {
	model: string;
	messages: { role: string; content: string }[];
	stream: boolean;
	[name: string]: unknown;
}
export const chat = (body: ChatRequest, signal: AbortSignal) =>
	send('/v1/chat/completions', { method: 'POST', body, signal });
