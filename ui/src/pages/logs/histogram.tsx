// Requests over the range, errors red; a drag zooms.
import { useRef, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { getCount, getHistogram } from '../../api/routes';
import { useT } from '../../i18n';
import { int, moment } from '../../parts/format';
import { useQueryString } from '../../parts/query';
import { join } from '../../parts/ui';
import s from './logs.module.css';

const buckets = 90, height = 46;

export function HistogramStrip({ filter }: { filter: URLSearchParams }) {
	const t = useT();
	const [, set] = useQueryString();
	const svg = useRef<SVGSVGElement>(null);
	const [drag, setDrag] = useState<[number, number] | null>(null);
	const [hover, setHover] = useState<number | null>(null);
	const key = filter.toString();
	const { data } = useQuery({ queryKey: ['histogram', key], queryFn: ({ signal }) => getHistogram(filter, buckets, signal), placeholderData: (old) => old });
	const { data: count } = useQuery({ queryKey: ['count', key], queryFn: ({ signal }) => getCount(filter, signal), placeholderData: (old) => old });
	const n = data?.ok.length ?? 0;
	const most = Math.max(1, ...(data?.ok.map((ok, i) => ok + (data.err[i] ?? 0)) ?? []));
	const start = data ? new Date(data.from).getTime() : 0, step = (data?.step_s ?? 0) * 1000;
	const bucketAt = (x: number) => {
		const box = svg.current!.getBoundingClientRect();
		return Math.min(n - 1, Math.max(0, Math.floor(((x - box.left) / box.width) * n)));
	};
	const end = () => {
		if (drag && data && drag[0] !== drag[1]) {
			const [a, b] = [Math.min(...drag), Math.max(...drag)];
			set({ range: null, from: new Date(start + a * step).toISOString(), to: new Date(start + (b + 1) * step).toISOString(), sel: null });
		}
		setDrag(null);
	};
	const when = (i: number) => `${moment(start + i * step, false).day} ${moment(start + i * step, false).time.slice(0, 5)}`;
	return (
		<div className={s.chart}>
			<svg ref={svg} viewBox={`0 0 ${Math.max(n, 1)} ${height}`} preserveAspectRatio="none" role="img" aria-label={count ? t('logs.matches', { n: int(count.n) }) : t('logs.histogram')}
				onPointerDown={(e) => { if (n) { e.currentTarget.setPointerCapture(e.pointerId); const b = bucketAt(e.clientX); setDrag([b, b]); } }}
				onPointerMove={(e) => { if (!n) return; const b = bucketAt(e.clientX); setHover(b); if (drag) setDrag([drag[0], b]); }}
				onPointerUp={end} onPointerCancel={() => setDrag(null)} onPointerLeave={() => setHover(null)}>
				{drag && <rect x={Math.min(...drag)} y={0} width={Math.abs(drag[0] - drag[1]) + 1} height={height} fill="var(--accent)" opacity={0.16} />}
				{hover !== null && !drag && <rect x={hover} y={0} width={1} height={height} fill="var(--text-3)" opacity={0.14} />}
				{data?.ok.map((ok, i) => {
					const err = data.err[i] ?? 0;
					if (!ok && !err) return null;
					const whole = Math.max(1.5, ((ok + err) / most) * (height - 2)), bad = err ? Math.max(1.5, (err / most) * (height - 2)) : 0;
					return (
						<g key={i}>
							<rect x={i + 0.1} y={height - whole} width={0.8} height={Math.max(0, whole - bad)} fill="var(--c1)" opacity={0.75} />
							{err > 0 && <rect x={i + 0.1} y={height - bad} width={0.8} height={bad} fill="var(--bad-fill)" />}
						</g>
					);
				})}
				<line x1={0} x2={Math.max(n, 1)} y1={height - 0.5} y2={height - 0.5} stroke="var(--line-strong)" strokeWidth={1} vectorEffect="non-scaling-stroke" />
			</svg>
			<div className={s.chartFoot}>
				<span>{n > 0 && when(0)}</span>
				<span className={join(hover === null && 'muted')}>
					{hover !== null && data ? `${when(hover)} · ${int(data.ok[hover])} ${t('status.ok')} · ${int(data.err[hover])} ${t('status.error')}`
						: count ? t(count.exact ? 'logs.matches' : 'logs.matchesMore', { n: int(count.n) }) : ''}
					{data?.partial && ` · ${t('common.partial')}`}
				</span>
				<span>{n > 0 && when(n)}</span>
			</div>
		</div>
	);
}
