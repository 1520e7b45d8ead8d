// The view is the URL: reading and writing its query string.
import { useCallback, useMemo } from 'react';
import { useLocation, useSearch } from 'wouter';

export type Change = Record<string, string | string[] | null>;

export function useQueryString(): [URLSearchParams, (change: Change, replace?: boolean) => void] {
	const search = useSearch();
	const [path, go] = useLocation();
	const params = useMemo(() => new URLSearchParams(search), [search]);
	const set = useCallback((change: Change, replace = false) => {
		const q = new URLSearchParams(window.location.search);
		for (const [k, v] of Object.entries(change)) {
			q.delete(k);
			if (Array.isArray(v)) v.forEach((one) => q.append(k, one));
			else if (v !== null) q.set(k, v);
		}
		const text = q.toString();
		go(path + (text ? `?${text}` : ''), { replace });
	}, [path, go]);
	return [params, set];
}

/** What only says how a view looks; the rest goes to the gateway as its filter. */
const looks = new Set(['sel', 'live', 'cols', 'by', 'tz', 'tab', 'at', 'raw', 'model', 'prompt']);
const dims = ['fn', 'variant', 'model', 'provider', 'key', 'episode', 'surface', 'type', 'finish', 'error_kind', 'status', 'stream', 'cached', 'signed', 'fallback',
	'min_ms', 'max_ms', 'min_ttft', 'min_cost', 'min_in', 'min_out', 'q', 'in', 'range', 'from', 'to'] as const;

export function isFilter(name: string): boolean {
	return (dims as readonly string[]).includes(name) || name.startsWith('tag.') || name.startsWith('metric.');
}

export function filterOf(params: URLSearchParams): URLSearchParams {
	const q = new URLSearchParams();
	for (const [k, v] of params) if (isFilter(k)) q.append(k, v);
	if (!q.has('range') && !q.has('from')) q.set('range', '24h');
	return q;
}

export function unknownOf(params: URLSearchParams): [string, string][] {
	return [...params].filter(([k]) => !isFilter(k) && !looks.has(k));
}

/** TensorZero's links say the same in other words. */
export function rewritten(params: URLSearchParams): URLSearchParams | null {
	const words: Record<string, string> = { function_name: 'fn', variant_name: 'variant', episode_id: 'episode', search_query: 'q' };
	let changed = false;
	const q = new URLSearchParams();
	for (const [k, v] of params) {
		if (words[k]) changed = true;
		if (v || !words[k]) q.append(words[k] ?? k, v);
	}
	return changed ? q : null;
}
