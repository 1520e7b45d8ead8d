// Overview: is it well now, what happened over the range, what did it cost.
import { useMemo } from 'react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { getHealth, getOverview } from '../../api/routes';
import type { Health, OverviewData, Total } from '../../api/types';
import { useT, type Key } from '../../i18n';
import { bytes, dash, full, int, money, ms, percent, short, span, visible } from '../../parts/format';
import { Chart, Spark, type Line } from '../../parts/chart';
import { recordTone } from '../../parts/frame';
import { useKeys } from '../../parts/keys';
import { filterOf, useQueryString } from '../../parts/query';
import { useAnswersOnly } from '../../parts/record';
import { Badge, Button, Card, css, Dot, Empty, ErrorBox, join, Select, Skeleton, useTitle } from '../../parts/ui';
import { NothingYet } from './nothing';
import s from './overview.module.css';

const groups = ['model', 'provider', 'function', 'variant', 'key'] as const;

export function OverviewPage() {
	useTitle('nav.overview');
	const [params, set] = useQueryString();
	const filterText = filterOf(params).toString();
	const filter = useMemo(() => new URLSearchParams(filterText), [filterText]);
	const by = params.get('by') ?? 'model';
	const all = useQuery({ queryKey: ['overview', filterText], queryFn: ({ signal }) => getOverview(filter, undefined, undefined, signal), placeholderData: (old) => old, refetchInterval: 5000 });
	const split = useQuery({ queryKey: ['overview', filterText, by], queryFn: ({ signal }) => getOverview(filter, by, undefined, signal), placeholderData: (old) => old, refetchInterval: 15000 });
	const health = useQuery({ queryKey: ['health'], queryFn: ({ signal }) => getHealth(signal), refetchInterval: 5000 });
	useKeys({ b: () => set({ by: groups[(groups.indexOf(by as (typeof groups)[number]) + 1) % groups.length]! }, true), e: () => undefined });
	const data = all.data;
	return (
		<div className={css.page}>
			{all.error && <ErrorBox error={all.error} retry={all.refetch} />}
			{data && data.total.n === 0 && data.before.n === 0
				? <Card><NothingYet ranged={params.get('range') !== '30d'} onWiden={() => set({ range: '30d', from: null, to: null })} /></Card>
				: <>
					{!(all.error && !data) && <Tiles data={data} filter={filter} />}
					<div className={s.two}>{data ? <Charts data={data} /> : all.error ? null : <><Skeleton height={260} /><Skeleton height={260} /></>}</div>
					<CostBy data={split.data} error={split.error} by={by} filter={filter} onBy={(v) => set({ by: v }, true)} />
				</>}
			<div className={s.two}>
				<Providers health={health.data} error={health.error} />
				<Record health={health.data} error={health.error} />
			</div>
		</div>
	);
}

function Tiles({ data, filter }: { data: OverviewData | undefined; filter: URLSearchParams }) {
	const t = useT();
	const answersOnly = useAnswersOnly();
	const link = (more: Record<string, string>) => `/logs?${new URLSearchParams([...filter, ...Object.entries(more)])}`;
	if (!data) return <div className={s.tiles}>{Array.from({ length: 6 }, (_, i) => <Skeleton key={i} height={104} />)}</div>;
	const { total, before } = data, series = data.series[0];
	const change = (now: number | null, then: number | null): string => (now === null || !then ? '' : now / then >= 10 ? `×${Math.round(now / then)}` : `${now >= then ? '+' : '−'}${Math.abs((100 * (now - then)) / then).toFixed(0)} %`);
	const rate = (x: Total) => (x.n ? (100 * x.err) / x.n : null);
	const r = rate(total), b = rate(before);
	const points = r === null || b === null ? '' : `${r >= b ? '+' : '−'}${Math.abs(r - b).toFixed(2)} ${t('overview.points')}`;
	const unpriced = total.n > 0 && total.priced < total.n;
	const tiles: { key: Key; value: string; title?: string; delta: string; tone?: string; href: string; spark: (number | null)[]; colour?: string }[] = [
		{ key: 'overview.requests', value: short(total.n), title: int(total.n), delta: change(total.n, before.n), href: link({}), spark: series?.n ?? [] },
		{ key: 'overview.errors', value: answersOnly ? dash : percent(total.err, total.n), title: answersOnly ? t('overview.noFailures') : int(total.err), delta: answersOnly ? t('overview.noFailures') : points, tone: r !== null && b !== null && Math.abs(r - b) > 0.05 ? (r > b ? 'bad' : 'ok') : undefined, href: `${link({ status: 'error' })}&status=truncated`, spark: series?.err ?? [], colour: '--bad-fill' },
		{ key: 'overview.p95', value: ms(total.p95), title: total.p95 === null ? undefined : `${total.p95} ms`, delta: change(total.p95, before.p95), href: link(total.p95 ? { min_ms: String(Math.floor(total.p95)) } : {}), spark: series?.p95 ?? [], colour: '--c5' },
		{ key: 'overview.ttft', value: ms(total.ttft95), delta: change(total.ttft95, before.ttft95), href: link({ stream: '1' }), spark: series?.ttft95 ?? [], colour: '--c3' },
		{ key: 'overview.tokens', value: short(total.in + total.out), title: `${int(total.in)} / ${int(total.out)}`, delta: total.in + total.out ? t('overview.inOut', { in: short(total.in), out: short(total.out) }) : '', href: link({}), spark: series?.in.map((v, i) => v + (series.out[i] ?? 0)) ?? [], colour: '--c7' },
		{ key: 'overview.cost', value: total.priced ? money(total.cost) : dash, delta: unpriced ? t('overview.priced', { n: int(total.priced), of: int(total.n) }) : change(total.cost, before.cost), href: link({}), spark: series?.cost ?? [], colour: '--c2' },
	];
	return (
		<div className={s.tiles}>
			{tiles.map((x) => (
				<Link key={x.key} href={x.href} className={join(css.card, s.tile)}>
					<small>{t(x.key)}</small>
					<b title={x.title}>{total.n === 0 ? dash : x.value}</b>
					<span className={s.delta} data-tone={x.tone}>{x.delta}</span>
					<Spark values={x.spark} colour={x.colour} />
				</Link>
			))}
		</div>
	);
}

function Charts({ data }: { data: OverviewData }) {
	const t = useT();
	const one = data.series[0];
	const { x, traffic, latency, spent } = useMemo(() => {
		const from = new Date(data.from).getTime() / 1000, n = one?.n.length ?? 0;
		const traffic: Line[] = [
			{ name: t('overview.requests'), values: one?.n ?? [], colour: '--c1', bars: true },
			{ name: t('overview.errorsOf'), values: one?.err ?? [], colour: '--bad-fill', bars: true },
		];
		const latency: Line[] = [
			{ name: 'p50', values: one?.p50 ?? [], colour: '--c5', fill: true }, { name: 'p95', values: one?.p95 ?? [], colour: '--c1' },
			{ name: 'p99', values: one?.p99 ?? [], colour: '--c4', dash: [4, 3] }, { name: t('overview.ttft'), values: one?.ttft95 ?? [], colour: '--c3', dash: [2, 3] },
		];
		const spent: Line[] = [{ name: t('overview.cost'), values: one?.cost ?? [], colour: '--c2', bars: true }];
		return { x: Array.from({ length: n }, (_, i) => from + i * data.step_s), traffic, latency, spent };
	}, [data, one, t]);
	return (
		<>
			<Chart title={t('overview.traffic')} x={x} lines={traffic} format={short} />
			<Chart title={t('overview.latency')} x={x} lines={latency} format={ms} />
			{data.total.priced > 0 && <div className={s.wide}><Chart title={t('overview.spent')} x={x} lines={spent} format={money} height={130} /></div>}
		</>
	);
}

const sum = (values: (number | null)[] | undefined) => (values ?? []).reduce<number>((a, b) => a + (b ?? 0), 0);
const paramOf: Record<string, string> = { model: 'model', provider: 'provider', function: 'fn', variant: 'variant', key: 'key' };

function CostBy({ data, error, by, filter, onBy }: { data: OverviewData | undefined; error: unknown; by: string; filter: URLSearchParams; onBy: (v: string) => void }) {
	const t = useT();
	const answersOnly = useAnswersOnly();
	const rows = useMemo(() => (data?.series ?? []).map((x) => ({ by: x.by ?? '', n: sum(x.n), err: sum(x.err), tokens: sum(x.in) + sum(x.out), cost: sum(x.cost), priced: sum(x.priced) })).filter((r) => r.n).sort((a, b) => b.cost - a.cost || b.n - a.n), [data]);
	const whole = rows.some((r) => r.priced) ? sum(rows.map((r) => r.cost)) : sum(rows.map((r) => r.n));
	const part = (r: (typeof rows)[number]) => (rows.some((x) => x.priced) ? r.cost : r.n) / (whole || 1);
	const cell = (v: string | number) => { const text = String(v); return /^[=+\-@\t]/.test(text) ? `"'${text.replace(/"/g, '""')}"` : /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text; };
	const csv = () => {
		const text = [[by, 'requests', 'errors', 'tokens', 'cost', 'priced'], ...rows.map((r) => [r.by, r.n, r.err, r.tokens, r.priced ? r.cost : '', r.priced])].map((r) => r.map(cell).join(',')).join('\n');
		const url = URL.createObjectURL(new Blob([`${text}\n`], { type: 'text/csv' }));
		Object.assign(document.createElement('a'), { href: url, download: `signet-${by}.csv` }).click();
		URL.revokeObjectURL(url);
	};
	return (
		<Card title={t('overview.costBy')} actions={<><Select label={t('overview.costBy')} value={by} onChange={onBy} options={groups.map((g) => ({ value: g, text: t(`by.${g}` as Key) }))} /><Button small look="ghost" icon="download" onClick={csv} disabled={!rows.length}>CSV</Button></>}>
			{error && !data ? <div style={{ padding: 14 }}><ErrorBox error={error} /></div> : !data ? <div style={{ padding: 14 }}><Skeleton height={120} /></div> : !rows.length ? <Empty title={t('overview.noRows')} /> : (
				<div className={css.scrollX} tabIndex={0}><table className={css.list}>
					<thead><tr><th>{t(`by.${by}` as Key)}</th><th>{t('overview.share')}</th><th className="num">{t('overview.requests')}</th><th className="num">{t('overview.errors')}</th><th className="num">{t('overview.tokens')}</th><th className="num">{t('overview.cost')}</th></tr></thead>
					<tbody>{rows.slice(0, 100).map((r) => (
						<tr key={r.by}>
							<td>{r.by ? <Link href={`/logs?${new URLSearchParams([...filter, [paramOf[by] ?? by, r.by]])}`}>{visible(r.by)}</Link> : <span className="muted">{t('filter.none')}</span>}</td>
							<td><div className={s.share}><div style={{ width: `${Math.round(120 * part(r))}px` }} /><span>{(100 * part(r)).toFixed(part(r) < 0.1 ? 1 : 0)} %</span></div></td>
							<td className="num">{int(r.n)}</td><td className="num">{answersOnly ? dash : percent(r.err, r.n)}</td><td className="num" title={int(r.tokens)}>{short(r.tokens)}</td>
							<td className="num" title={r.priced < r.n ? t('overview.priced', { n: int(r.priced), of: int(r.n) }) : undefined}>{r.priced ? money(r.cost) : dash}</td>
						</tr>
					))}</tbody>
				</table></div>
			)}
		</Card>
	);
}

function Providers({ health, error }: { health: Health | undefined; error: unknown }) {
	const t = useT();
	return (
		<Card title={t('overview.providers')}>
			{error && !health ? <div style={{ padding: 14 }}><ErrorBox error={error} /></div> : !health ? <div style={{ padding: 14 }}><Skeleton height={90} /></div> : !health.providers.length ? <Empty icon="models" title={t('overview.noProviders')} /> : (
				<div className={css.scrollX} tabIndex={0}><table className={css.list}>
					<thead><tr><th>{t('col.provider')}</th><th>{t('col.state')}</th><th className="num">{t('overview.inFlight')}</th><th className="num">{t('overview.five')}</th><th className="num">p95</th></tr></thead>
					<tbody>{health.providers.map((p) => (
						<tr key={`${p.model}/${p.provider}`}>
							<td><span style={{ fontWeight: 550 }}>{p.provider}</span> <span className="muted">{p.model}</span>{p.last_error && <div className="cut" style={{ maxWidth: 320, fontSize: 12, color: p.state === 'failing' ? 'var(--bad)' : 'var(--text-3)' }} title={`${full(p.last_error.t)}\n${p.last_error.text}`}>{p.last_error.status ?? ''} {visible(p.last_error.text)}</div>}</td>
							<td><Badge tone={p.state === 'ok' ? 'ok' : p.state === 'failing' ? 'bad' : undefined}>{t(`health.${p.state}` as Key)}</Badge></td>
							<td className="num">{int(p.in_flight)}</td><td className="num">{int(p.n_5m)} <span className="muted">/ {percent(p.err_5m, p.n_5m)}</span></td><td className="num">{ms(p.p95_ms)}</td>
						</tr>
					))}</tbody>
				</table></div>
			)}
		</Card>
	);
}

function Record({ health, error }: { health: Health | undefined; error: unknown }) {
	const t = useT();
	const r = health?.record, tone = recordTone(r);
	return (
		<Card title={t('overview.record')} actions={r && <span className={css.row}><Dot tone={tone} /><b>{t(`record.${tone}` as Key)}</b></span>}>
			{error && !r ? <div style={{ padding: 14 }}><ErrorBox error={error} /></div> : !r ? <div style={{ padding: 14 }}><Skeleton height={120} /></div> : (
				<div className={s.recordGrid}>
					<div className={s.gauge} data-tone={tone} role="img" aria-label={t('overview.journalFill', { n: percent(r.bytes, r.limit_bytes) })}><div style={{ width: `${Math.min(100, (100 * r.bytes) / (r.limit_bytes || 1))}%` }} /></div>
					<dl className={css.facts}>
						<dt>{t('overview.journal')}</dt><dd>{t('overview.journalText', { segments: int(r.segments), size: bytes(r.bytes), limit: bytes(r.limit_bytes) })}</dd>
						<dt>{t('overview.backlog')}</dt><dd>{t('overview.backlogText', { rows: int(r.rows), age: span(r.oldest_s) })}</dd>
						<dt>{t('overview.sink')}</dt><dd>{r.sink.type} · {t(`sink.${r.sink.state}` as Key)}{r.sink.rows_per_s !== null ? ` · ${t('overview.perSecond', { n: short(r.sink.rows_per_s) })}` : ''}{r.sink.error && <div style={{ color: 'var(--bad)' }}>{visible(r.sink.error)}</div>}</dd>
						<dt>{t('overview.unrecorded')}</dt><dd>{int(r.unrecorded)}</dd>
						<dt>{t('overview.disk')}</dt><dd>{bytes(r.disk_free)}{r.full_in_s !== null ? ` · ${t('overview.fullIn', { time: span(r.full_in_s) })}` : ''}</dd>
					</dl>
				</div>
			)}
		</Card>
	);
}
