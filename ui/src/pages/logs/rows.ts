// The rows of the list: pages by cursor, live rows in front. At most KEEP are held.
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { getLogs, openLive } from '../../api/routes';
import { events } from '../../api/http';
import type { Page, Row } from '../../api/types';

const KEEP = 2000, DRAW_A_SECOND = 20;

export function usePages(filter: URLSearchParams) {
	const key = filter.toString();
	return useInfiniteQuery({
		queryKey: ['logs', key],
		queryFn: ({ pageParam, signal }) => getLogs(filter, pageParam, signal),
		initialPageParam: undefined as string | undefined,
		getNextPageParam: (last: Page) => last.next ?? undefined,
		placeholderData: (old) => old,
	});
}

export interface Live {
	rows: Row[];
	waiting: number; // came while the reader was elsewhere in the list
	skipped: number;
	state: 'off' | 'on' | 'again';
	show: () => void;
}

/** One event stream; closed while the tab is hidden, taken up again where it ended. */
export function useLive(filter: URLSearchParams, on: boolean, atTop: boolean): Live {
	const key = filter.toString();
	const [rows, setRows] = useState<Row[]>([]);
	const [held, setHeld] = useState<Row[]>([]);
	const [skipped, setSkipped] = useState(0);
	const [state, setState] = useState<Live['state']>('off');
	const top = useRef(atTop);
	top.current = atTop;
	useEffect(() => { setRows([]); setHeld([]); setSkipped(0); }, [key, on]);
	useEffect(() => {
		if (!on) { setState('off'); return; }
		let last: string | undefined, stop = new AbortController(), ended = false, fresh: Row[] = [];
		const draw = setInterval(() => {
			if (!fresh.length) return;
			const more = fresh.reverse();
			fresh = [];
			if (more.length > DRAW_A_SECOND) setSkipped((n) => n + more.length - DRAW_A_SECOND);
			const drawn = more.slice(0, DRAW_A_SECOND);
			(top.current ? setRows : setHeld)((old) => [...drawn, ...old].slice(0, KEEP));
		}, 1000);
		const run = async () => {
			while (!ended) {
				stop = new AbortController();
				try {
					const response = await openLive(filter, last, stop.signal);
					setState('on');
					for await (const e of events(response)) {
						if (e.id) last = e.id;
						if (e.event === 'row') { if (fresh.length < KEEP) fresh.push(JSON.parse(e.data) as Row); }
						else if (e.event === 'skipped') setSkipped((n) => n + ((JSON.parse(e.data) as { n: number }).n || 0));
					}
				} catch {
					// told below: the stream is taken up again
				}
				if (!ended) {
					setState('again');
					await new Promise((r) => setTimeout(r, 1500));
				}
				while (document.hidden && !ended) await new Promise((r) => setTimeout(r, 300));
			}
		};
		const hide = () => { if (document.hidden) stop.abort(); };
		document.addEventListener('visibilitychange', hide);
		void run();
		return () => {
			ended = true;
			stop.abort();
			clearInterval(draw);
			document.removeEventListener('visibilitychange', hide);
		};
		// eslint-disable-next-line react-hooks/exhaustive-deps
	}, [key, on]);
	const show = useCallback(() => setHeld((h) => { setRows((old) => [...h, ...old].slice(0, KEEP)); return []; }), []);
	useEffect(() => { if (atTop && held.length) show(); }, [atTop, held.length, show]);
	return { rows, waiting: held.length, skipped, state, show };
}

/** Live rows, then the pages; each id once, newest first. */
export function useRows(pages: Page[] | undefined, live: Row[]): Row[] {
	return useMemo(() => {
		const seen = new Set<string>(), all: Row[] = [];
		for (const row of [...live, ...(pages ?? []).flatMap((p) => p.rows)]) {
			if (seen.has(row.id)) continue;
			seen.add(row.id);
			all.push(row);
		}
		return all;
	}, [pages, live]);
}

export function useForget(): () => void {
	const client = useQueryClient();
	return useCallback(() => void client.resetQueries({ queryKey: ['logs'] }), [client]);
}
