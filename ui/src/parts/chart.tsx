// A chart over time (uPlot): one cursor for all, a drag is a range, and the same as a table.
import { useEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useT } from '../i18n';
import { isDark, useTaste } from './taste';
import { moment } from './format';
import { useQueryString } from './query';
import { Button, Card, css } from './ui';
import s from './chart.module.css';

export interface Line {
	name: string;
	values: (number | null)[];
	colour: string; // a variable of theme.css
	dash?: number[];
	bars?: boolean;
	fill?: boolean;
}

/** Hours, and the day where it begins. */
function tick(at: number, i: number, all: number[]): string {
	const m = moment(at * 1000, false);
	return i === 0 || moment(all[i - 1]! * 1000, false).day !== m.day ? `${m.time.slice(0, 5)}\n${m.day}` : m.time.slice(0, 5);
}

const colourOf = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function Plot({ x, lines, format, height, onRange }: { x: number[]; lines: Line[]; format: (n: number | null) => string; height: number; onRange: (from: number, to: number) => void }) {
	const box = useRef<HTMLDivElement>(null);
	const t = useT();
	const time = t('col.time');
	const latest = useRef({ format, onRange, time });
	latest.current = { format, onRange, time };
	const taste = useTaste();
	const plotted = useRef<uPlot | null>(null);
	const shape = `${x.length < 3} ${time} ${lines.map((l) => l.name).join()}`;
	const data = [x, ...lines.map((l) => l.values)] as uPlot.AlignedData;
	const fresh = useRef(data);
	fresh.current = data;
	useEffect(() => {
		const host = box.current!;
		const axis = { stroke: colourOf('--text-3'), grid: { stroke: colourOf('--line'), width: 1 }, ticks: { show: false }, font: `11px ${getComputedStyle(document.body).fontFamily}` };
		const plot = new uPlot({
			width: host.clientWidth || 400, height, padding: [10, 22, 0, 0],
			cursor: { sync: { key: 'overview', filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } }, drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
			legend: { live: true, isolate: true },
			scales: { y: { range: (_u, _min, max) => [0, Math.max(max ?? 0, 1e-9) * 1.12] } },
			axes: [{ ...axis, space: 70, grid: { show: false }, values: (_u, v) => v.map(tick) }, { ...axis, size: 62, space: 34, values: (_u, v) => v.map((n) => latest.current.format(n)) }],
			series: [{ label: latest.current.time, value: (_u, v) => (v == null ? '' : `${moment(v * 1000, false).day} ${moment(v * 1000, false).time.slice(0, 5)}`) }, ...lines.map((l): uPlot.Series => ({
				label: l.name, stroke: colourOf(l.colour), width: l.bars ? 0 : 1.75, dash: l.dash, spanGaps: false, points: { show: x.length < 3, size: 5 },
				fill: l.bars ? colourOf(l.colour) : l.fill ? `${colourOf(l.colour)}22` : undefined,
				paths: l.bars ? uPlot.paths.bars!({ size: [0.72, 40], align: 1 }) : undefined,
				value: (u, v) => (u.cursor.idx == null ? '' : latest.current.format(v)),
			}))],
			hooks: { setSelect: [(u) => {
				if (u.select.width > 6) latest.current.onRange(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'));
				u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
			}] },
		}, fresh.current, host);
		plotted.current = plot;
		const watch = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height }));
		watch.observe(host);
		return () => { watch.disconnect(); plot.destroy(); plotted.current = null; };
		// eslint-disable-next-line react-hooks/exhaustive-deps
	}, [shape, height, taste]);
	// New figures go into the plot that is there: a drag that is under way survives them.
	useEffect(() => plotted.current?.setData(fresh.current), [x, lines]);
	return <div ref={box} className={s.plot} aria-hidden="true" data-dark={isDark()} />;
}

export function Chart({ title, x, lines, format, height = 190, actions }: { title: string; x: number[]; lines: Line[]; format: (n: number | null) => string; height?: number; actions?: React.ReactNode }) {
	const t = useT();
	const [table, setTable] = useState(false);
	const [, set] = useQueryString();
	const range = (from: number, to: number) => set({ range: null, from: new Date(from * 1000).toISOString(), to: new Date(to * 1000).toISOString() });
	const rows = useMemo(() => (table ? x.map((at, i) => ({ at, cells: lines.map((l) => l.values[i] ?? null) })).filter((r) => r.cells.some((c) => c)) : []), [table, x, lines]);
	return (
		<Card title={title} actions={<>{actions}<Button small look="ghost" aria-pressed={table} onClick={() => setTable(!table)}>{t(table ? 'chart.asChart' : 'chart.asTable')}</Button></>}>
			{table ? (
				<div className={s.table} tabIndex={0}><table className={css.list}>
					<thead><tr><th>{t('col.time')}</th>{lines.map((l) => <th key={l.name} className="num">{l.name}</th>)}</tr></thead>
					<tbody>{rows.map((r) => <tr key={r.at}><td className="mono">{moment(r.at * 1000, false).day} {moment(r.at * 1000, false).time.slice(0, 8)}</td>{r.cells.map((c, i) => <td key={i} className="num">{format(c)}</td>)}</tr>)}</tbody>
				</table></div>
			) : <div className={s.wrap}><Plot x={x} lines={lines} format={format} height={height} onRange={range} /></div>}
		</Card>
	);
}

export function Spark({ values, colour = '--c1' }: { values: (number | null)[]; colour?: string }) {
	const most = Math.max(1e-9, ...values.map((v) => v ?? 0)), n = Math.max(1, values.length - 1);
	const points = values.map((v, i) => `${((100 * i) / n).toFixed(1)},${(25 - (23 * (v ?? 0)) / most).toFixed(1)}`);
	if (values.length < 2 || !values.some(Boolean)) return <svg className={s.spark} viewBox="0 0 100 26" aria-hidden="true" />;
	return (
		<svg className={s.spark} viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true">
			<polygon points={`0,26 ${points.join(' ')} 100,26`} fill={`var(${colour})`} opacity="0.12" />
			<polyline points={points.join(' ')} fill="none" stroke={`var(${colour})`} strokeWidth="1.4" vectorEffect="non-scaling-stroke" strokeLinejoin="round" />
		</svg>
	);
}
