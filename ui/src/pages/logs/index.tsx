// Logs: the filter bar, the histogram, the list, and one inference beside it.
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useLocation, useSearch } from 'wouter';
import { exportPath } from '../../api/routes';
import { urlOf } from '../../api/http';
import { useT } from '../../i18n';
import { int, moment } from '../../parts/format';
import { useKeys } from '../../parts/keys';
import { filterOf, rewritten, useQueryString } from '../../parts/query';
import { useAnswersOnly } from '../../parts/record';
import { setTaste, wide } from '../../parts/taste';
import { Button, css, Empty, ErrorBox, join, Skeleton, useTitle } from '../../parts/ui';
import { Inference } from '../inference';
import { NothingYet } from '../overview/nothing';
import { clearFilters, FilterChips, FilterMenu, StatusSwitch, chipText } from './filters';
import { HistogramStrip } from './histogram';
import { LogRow, searchedWords } from './row';
import { useLive, usePages, useRows } from './rows';
import s from './logs.module.css';

export function LogsPage() {
	const t = useT();
	useTitle('nav.logs');
	const [params, set] = useQueryString();
	const search = useSearch();
	const [, go] = useLocation();
	const filterText = filterOf(params).toString();
	const filter = useMemo(() => new URLSearchParams(filterText), [filterText]);
	const live = params.get('live') === '1', selected = params.get('sel'), utc = params.get('tz') === 'utc';
	const words = useMemo(() => searchedWords(params.get('q') ?? ''), [params]);
	const [cursor, setCursor] = useState(-1);
	const [top, setTop] = useState(true);
	const scroll = useRef<HTMLDivElement>(null);
	const pages = usePages(filter);
	const liveRows = useLive(filter, live, top);
	const rows = useRows(pages.data?.pages, liveRows.rows);
	const last = pages.data?.pages.at(-1);
	const grid = rows.length > 0;
	const more = grid && (pages.hasNextPage || last?.partial) ? 1 : 0;

	useEffect(() => {
		const q = rewritten(new URLSearchParams(search));
		if (q) go(`/logs?${q}`, { replace: true });
	}, [search, go]);

	const list = useVirtualizer({ count: rows.length + more, getScrollElement: () => scroll.current, estimateSize: () => 50, overscan: 12, getItemKey: (i) => rows[i]?.id ?? 'more' });
	const items = list.getVirtualItems();
	const lastItem = items.at(-1)?.index ?? 0;
	useEffect(() => {
		if (lastItem >= rows.length - 20 && pages.hasNextPage && !pages.isFetchingNextPage && !last?.partial) void pages.fetchNextPage();
	}, [lastItem, rows.length, pages, last]);

	const open = useCallback((id: string | null) => set({ sel: id }, Boolean(id && new URLSearchParams(window.location.search).get('sel'))), [set]);
	const step = (by: number, alsoOpen: boolean) => {
		const from = selected ? rows.findIndex((r) => r.id === selected) : cursor;
		const to = Math.min(rows.length - 1, Math.max(0, from + by));
		if (!rows[to]) return;
		setCursor(to);
		list.scrollToIndex(to);
		if (alsoOpen || selected) open(rows[to].id);
	};
	useKeys({
		j: () => step(1, false), k: () => step(-1, false), ArrowDown: () => step(1, false), ArrowUp: () => step(-1, false),
		'[': () => step(-1, true), ']': () => step(1, true),
		Enter: () => rows[cursor] && open(rows[cursor].id),
		o: () => rows[cursor] && window.open(`logs/${rows[cursor].id}`, '_blank', 'noopener'),
		e: () => set({ status: params.get('status') === 'error' ? null : 'error', sel: null }),
		x: () => set({ ...clearFilters(params), q: null }),
		l: () => set({ live: live ? null : '1' }),
		Home: () => { list.scrollToOffset(0); setCursor(0); },
		Escape: () => selected && open(null),
	});

	return (
		<div className={s.page}>
			<div className={s.bar}>
				<StatusSwitch />
				<FilterMenu />
				<FilterChips />
				<span style={{ flex: 1 }} />
				<Button look="ghost" label={t('logs.utc')} aria-pressed={utc} onClick={() => set({ tz: utc ? null : 'utc' }, true)}>{utc ? 'UTC' : t('logs.local')}</Button>
				<a className={join(css.button, css.ghost)} href={urlOf(exportPath(filter, 'csv'))} download title={t('logs.csvHint')}>CSV</a>
				<Button className={s.live} aria-pressed={live} onClick={() => set({ live: live ? null : '1' })}><span className={s.pulse} />{t('logs.live')}</Button>
			</div>
			<HistogramStrip filter={filter} />
			<div className={s.body}>
				<div className={s.listWrap} {...(grid ? { role: 'grid', 'aria-label': t('nav.logs'), 'aria-rowcount': -1 } : {})} aria-busy={pages.isPending}>
					{grid && <div role="row" className={s.head} aria-rowindex={1}>
						<span role="columnheader">{t('col.time')}</span><span role="columnheader">{t('col.status')}</span><span role="columnheader">{t('col.model')}</span><span role="columnheader" className={s.model}>{t('col.provider')}</span>
						<span role="columnheader" className="num">{t('col.duration')}</span><span role="columnheader" className={join('num', s.ttft)}>{t('col.ttft')}</span><span role="columnheader" className={join('num', s.tokens)}>{t('col.tokens')}</span>
						<span role="columnheader" className={join('num', s.cost)}>{t('col.cost')}</span><span role="columnheader" className={join('num', s.marksCell)}>{t('col.marks')}</span>
					</div>}
					{liveRows.waiting > 0 && <Button look="primary" small className={s.newer} onClick={() => { liveRows.show(); list.scrollToOffset(0); }}>{t('logs.newer', { n: liveRows.waiting })}</Button>}
					<div className={s.scroll} ref={scroll} tabIndex={0} role={grid ? 'rowgroup' : undefined} aria-label={grid ? t('nav.logs') : undefined} onScroll={(e) => setTop(e.currentTarget.scrollTop < 30)}>
						{pages.error && !rows.length ? <div className={css.page}><ErrorBox error={pages.error} retry={pages.refetch} /></div>
							: pages.isPending ? Array.from({ length: 12 }, (_, i) => <div key={i} className={s.skeletonRow}><Skeleton height={13} /><Skeleton height={11} width="70%" /></div>)
								: rows.length === 0 ? (last?.partial
									? <Empty icon="clock" title={t('common.partial')}><div className={css.row} style={{ justifyContent: 'center' }}>{last.searched_to && t('logs.searchedTo', { time: searchedTo(last.searched_to, utc) })}<Button small onClick={() => pages.fetchNextPage()} disabled={pages.isFetchingNextPage}>{t('logs.continue')}</Button></div></Empty>
									: <Nothing live={live} />)
									: (
										<div style={{ height: list.getTotalSize(), position: 'relative', opacity: pages.isPlaceholderData ? 0.55 : 1 }}>
											{items.map((item) => {
												const row = rows[item.index];
												return row
													? <LogRow key={item.key} row={row} top={item.start} index={item.index} selected={row.id === selected} cursor={item.index === cursor} utc={utc} words={words} onOpen={open} />
													: <div key="more" className={s.more} style={{ transform: `translateY(${item.start}px)` }}>
														{pages.error && <span style={{ color: 'var(--bad)' }}>{pages.error.message}</span>}
														{last?.partial && last.searched_to
															? <>{t('logs.searchedTo', { time: searchedTo(last.searched_to, utc) })}<Button small onClick={() => pages.fetchNextPage()} disabled={pages.isFetchingNextPage}>{t('logs.continue')}</Button></>
															: t('logs.loading')}
													</div>;
											})}
										</div>
									)}
					</div>
				</div>
				<span className="sr" role="status">{live ? (liveRows.state === 'again' ? t('logs.liveAgain') : t('logs.liveOn')) : ''}{liveRows.skipped ? t('logs.skipped', { n: int(liveRows.skipped) }) : ''}</span>
				{selected && <Panel id={selected} onClose={() => open(null)} onStep={(by) => step(by, true)} />}
			</div>
		</div>
	);
}

/** A UUID of version 7 holds its time. */
function searchedTo(id: string, utc: boolean): string {
	const at = moment(parseInt(id.replace(/-/g, '').slice(0, 12), 16), utc);
	return `${at.day} ${at.time.slice(0, 5)}`;
}

function Panel({ id, onClose, onStep }: { id: string; onClose: () => void; onStep: (by: number) => void }) {
	const t = useT();
	const panel = useRef<HTMLElement>(null);
	const size = wide();
	useEffect(() => {
		const before = document.activeElement;
		return () => { if (before instanceof HTMLElement) before.focus(); };
	}, []);
	const grab = (e: React.PointerEvent) => {
		const grip = e.currentTarget;
		grip.setPointerCapture(e.pointerId);
		const move = (m: PointerEvent) => panel.current?.style.setProperty('--panel', `${Math.max(380, window.innerWidth - m.clientX)}px`);
		const up = (m: PointerEvent) => {
			grip.removeEventListener('pointermove', move as EventListener);
			setTaste('panel', String(Math.max(380, window.innerWidth - m.clientX)));
		};
		grip.addEventListener('pointermove', move as EventListener);
		grip.addEventListener('pointerup', up as EventListener, { once: true });
	};
	return (
		<aside ref={panel} className={s.panel} aria-label={t('inference.title')} style={size ? ({ '--panel': `${size}px` } as React.CSSProperties) : undefined}>
			<div className={s.grip} onPointerDown={grab} aria-hidden="true" />
			<Inference id={id} onClose={onClose} onStep={onStep} />
		</aside>
	);
}

function Nothing({ live }: { live: boolean }) {
	const t = useT();
	const [params, set] = useQueryString();
	const answersOnly = useAnswersOnly();
	const held = Object.keys(clearFilters(params)).filter((k) => k !== 'sel');
	const failures = params.get('status') === 'error' && answersOnly;
	if (held.length)
		return (
			<Empty icon="search" title={t('logs.noMatch')}>
				<p>{t(failures ? 'logs.answersOnly' : 'logs.noMatchText')}</p>
				<div className={css.row} style={{ justifyContent: 'center' }}>
					{held.map((k) => <Button key={k} small icon="close" onClick={() => set({ [k]: null })}>{t('filter.drop')} {k === 'q' ? `“${params.get('q')}”` : chipText(k, params.get(k) ?? '', t)}</Button>)}
				</div>
			</Empty>
		);
	if (live) return <Empty icon="clock" title={t('logs.waiting')}><p>{t('logs.waitingText')}</p></Empty>;
	return <NothingYet ranged={params.get('range') !== '30d'} onWiden={() => set({ range: '30d', from: null, to: null })} />;
}
