// The time of one inference as a waterfall: a group an attempt, a bar a span.
import { useMemo } from 'react';
import type { Attempt, Detail, Span } from '../../api/types';
import { useT, type Key } from '../../i18n';
import { ms, visible } from '../../parts/format';
import { Badge, join } from '../../parts/ui';
import s from './inference.module.css';

const kinds: Record<string, string> = { attempt: 'bad', prepare: 'sign', answer: 'stream', dns: 'connect', connect: 'connect', tcp: 'connect', tls: 'connect', sign: 'sign', wait: 'wait', first_token: 'wait', send: 'wait', stream: 'stream', body: 'stream', record: 'record', journal: 'record' };
const named = new Set(['prepare', 'answer', 'dns', 'connect', 'tcp', 'tls', 'sign', 'wait', 'send', 'stream', 'body', 'record', 'gateway', 'attempt', 'delay']);

function Bar({ span, total }: { span: Span; total: number }) {
	const left = (100 * span.start_ms) / total, width = (100 * (span.end_ms - span.start_ms)) / total;
	return <div className={s.track}><div className={s.bar} data-kind={kinds[span.name] ?? 'other'} style={{ left: `${Math.min(left, 99.6)}%`, width: `${Math.max(0.3, Math.min(width, 100 - left))}%` }} /></div>;
}

export function Timing({ detail }: { detail: Detail }) {
	const t = useT();
	const total = Math.max(detail.row.ms ?? 0, ...detail.spans.map((x) => x.end_ms), 0.001);
	const spans = useMemo(() => placed(detail), [detail]);
	const groups = useMemo(() => {
		const of = new Map<number, Span[]>();
		for (const span of spans) of.set(span.attempt ?? 0, [...(of.get(span.attempt ?? 0) ?? []), span]);
		return of;
	}, [spans]);
	const covered = unite(spans);
	const name = (span: Span) => (named.has(span.name) ? t(`span.${span.name}` as Key) : span.name);
	const rows = (spans: Span[]) => spans.flatMap((span, i) => [
		<div key={`n${i}`} className={s.spanName}>{name(span)}</div>, <Bar key={`b${i}`} span={span} total={total} />,
		<div key={`m${i}`} className="num" title={`${span.start_ms} – ${span.end_ms} ms`}>{ms(span.end_ms - span.start_ms)}</div>,
	]);
	const rate = detail.row.out && detail.row.ms && detail.row.ttft_ms !== null && detail.row.ms > detail.row.ttft_ms ? detail.row.out / ((detail.row.ms - detail.row.ttft_ms) / 1000) : null;
	return (
		<div className={s.fall}>
			<div className={s.fallGrid} role="group" aria-label={t('tab.timing')}>
				<div />
				<div className={s.axis} aria-hidden="true">{[0, 25, 50, 75, 100].map((p) => <span key={p} style={{ left: `${p}%` }}>{ms((total * p) / 100)}</span>)}</div>
				<div />
				{groups.get(0) && rows(groups.get(0)!)}
				{detail.attempts.flatMap((a) => [
					<div key={a.n} className={s.group}><AttemptTitle attempt={a} /></div>,
					...(groups.get(a.n) ?? []).flatMap((span, i) => [
						<div key={`n${a.n}-${i}`} className={s.spanName}>{name(span)}</div>, <Bar key={`b${a.n}-${i}`} span={span} total={total} />,
						<div key={`m${a.n}-${i}`} className="num" title={`${span.start_ms} – ${span.end_ms} ms`}>{ms(span.end_ms - span.start_ms)}</div>,
					]),
					...(a.delay_ms ? [<div key={`d${a.n}`} className={join(s.spanName, 'muted')} style={{ gridColumn: '1 / -1' }}>{t('inference.delay', { time: ms(a.delay_ms) })}</div>] : []),
				])}
				<div className={s.group}>{t('span.gateway')}</div>
				<div className={join(s.spanName, 'muted')} style={{ gridColumn: '1 / 3' }}>{t('inference.gatewayText')}</div>
				<div className="num">{ms(Math.max(0, total - covered))}</div>
				<div className={s.group} style={{ gridColumn: '1 / 3' }}>{t('inference.total')}{rate ? <span className="muted" style={{ fontWeight: 400 }}>{t('inference.rate', { n: rate.toFixed(1) })}</span> : null}</div>
				<div className="num"><b>{ms(total)}</b></div>
			</div>
		</div>
	);
}

/** Spans that name no attempt are of the one that answered; what failed before it took the time until there. */
export function placed(detail: Pick<Detail, 'spans' | 'attempts'>): Span[] {
	const answered = detail.attempts.find((a) => a.model_inference_id)?.n ?? detail.attempts.at(-1)?.n;
	const spans = detail.spans.map((x) => (x.attempt ? x : { ...x, attempt: answered }));
	const failed = detail.attempts.filter((a) => !spans.some((x) => x.attempt === a.n));
	const start = Math.min(...spans.map((x) => x.start_ms));
	if (failed.length === 1 && Number.isFinite(start) && start > 0) spans.unshift({ name: 'attempt', start_ms: 0, end_ms: start - (failed[0]!.delay_ms ?? 0), attempt: failed[0]!.n });
	return spans;
}

/** What the spans cover together, overlaps once. */
export function unite(spans: Pick<Span, 'start_ms' | 'end_ms'>[]): number {
	let end = 0, sum = 0;
	for (const span of [...spans].sort((a, b) => a.start_ms - b.start_ms)) {
		sum += Math.max(0, span.end_ms - Math.max(end, span.start_ms));
		end = Math.max(end, span.end_ms);
	}
	return sum;
}

export function AttemptTitle({ attempt: a }: { attempt: Attempt }) {
	const t = useT();
	const bad = Boolean(a.error) || (a.http_status !== null && a.http_status >= 400);
	return (
		<>
			<span>{a.n}. {a.provider ?? a.model ?? ''}</span>
			{a.why !== 'first' && <Badge tone="warn">{t(`why.${a.why}` as Key)}</Badge>}
			{a.http_status ? <Badge tone={bad ? 'bad' : 'ok'}>{a.http_status}</Badge> : bad ? <Badge tone="bad">{t('status.error')}</Badge> : null}
			{a.error && <span className="cut muted" style={{ fontWeight: 400 }} title={a.error}>{visible(a.error)}</span>}
		</>
	);
}
