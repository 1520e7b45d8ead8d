// One line of the list. Marks are text too, for those who do not see colours.
import { memo } from 'react';
import type { Row } from '../../api/types';
import { t, useT, type Key } from '../../i18n';
import { full, functionOf, int, money, moment, ms, short, visible } from '../../parts/format';
import { Badge, join, type Tone } from '../../parts/ui';
import s from './logs.module.css';

export function toneOf(row: Pick<Row, 'state' | 'status'>): Tone {
	if (row.state === 'ok') return 'ok';
	if (row.state === 'cancelled' || row.state === 'truncated') return 'warn';
	return 'bad';
}

export function statusText(row: Pick<Row, 'state' | 'status'>): string {
	if (row.state === 'cancelled' || row.state === 'truncated') return t(`status.${row.state}` as Key);
	return row.status && row.status !== 200 ? String(row.status) : t(row.state === 'ok' ? 'status.ok' : 'status.error');
}

export function marksOf(row: Row): { text: string; key: Key }[] {
	const marks: { text: string; key: Key }[] = [];
	if (row.signed) marks.push({ text: t('mark.signed'), key: 'dim.signed' });
	if (row.stream) marks.push({ text: t('mark.stream'), key: 'dim.stream' });
	if (row.attempts > 1) marks.push({ text: `F${row.attempts - 1}`, key: 'dim.fallback' });
	if (row.cached) marks.push({ text: t('mark.cached'), key: 'dim.cached' });
	if (row.tools) marks.push({ text: t('mark.tools', { n: row.tools }), key: 'mark.toolsTitle' });
	return marks;
}

/** The searched words, marked. */
function Marked({ text, words }: { text: string; words: string[] }) {
	if (!words.length) return <>{text}</>;
	const parts = text.split(new RegExp(`(${words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})`, 'i'));
	return <>{parts.map((p, i) => (i % 2 ? <mark key={i}>{p}</mark> : p))}</>;
}

export function searchedWords(q: string): string[] {
	return [...q.matchAll(/"([^"]+)"|(\S+)/g)].map((m) => m[1] ?? m[2]!).filter((w) => w && !w.startsWith('-') && w !== '"').slice(0, 16);
}

interface Props {
	row: Row;
	top: number;
	index: number;
	selected: boolean;
	cursor: boolean;
	utc: boolean;
	words: string[];
	onOpen: (id: string) => void;
}

export const LogRow = memo(function LogRow({ row, top, index, selected, cursor, utc, words, onOpen }: Props) {
	useT();
	const at = moment(row.t, utc);
	const named = functionOf(row);
	const failed = row.state === 'error';
	const out = row.preview_out || (failed ? row.error_kind : null);
	return (
		<div role="row" id={`row-${row.id}`} aria-rowindex={index + 2} aria-selected={selected} data-cursor={cursor} data-bad={failed} data-id={row.id} className={s.row} style={{ transform: `translateY(${top}px)` }}
			onClick={(e) => { if (e.ctrlKey || e.metaKey) window.open(`logs/${row.id}`, '_blank', 'noopener'); else onOpen(row.id); }}>
			<span role="gridcell" className={s.time} title={full(row.t)}>{at.time.slice(0, 8)}<small>{at.time.slice(8)}</small></span>
			<span role="gridcell"><Badge tone={toneOf(row)} title={row.error_kind ?? undefined}>{statusText(row)}</Badge></span>
			<span role="gridcell" className={join('cut', s.name)} title={named ? `${named} / ${row.variant ?? ''}` : (row.model || row.variant || '')}>
				{named ? <>{named}<span className="muted"> / {row.variant}</span></> : (row.model || row.variant || <span className="muted">{t('logs.unresolved')}</span>)}
			</span>
			<span role="gridcell" className={join('cut', 'muted', s.model)}>{named ? `${row.model ?? ''} · ` : ''}{row.provider ?? ''}</span>
			<span role="gridcell" className="num" title={row.ms === null ? undefined : `${row.ms} ms`}>{ms(row.ms)}</span>
			<span role="gridcell" className={join('num', 'muted', s.ttft)}>{row.ttft_ms === null ? '' : ms(row.ttft_ms)}</span>
			<span role="gridcell" className={join('num', s.tokens)} title={`${int(row.in)} / ${int(row.out)}`}>{row.estimated ? '~' : ''}{short(row.in)}<span className="muted"> / </span>{short(row.out)}</span>
			<span role="gridcell" className={join('num', 'muted', s.cost)}>{money(row.cost)}</span>
			<span role="gridcell" className={s.marksCell}><span className={s.marks}>{marksOf(row).map((m) => <span key={m.text} className={s.mark} title={t(m.key)}>{m.text}</span>)}</span></span>
			<span role="gridcell" className={s.preview}>
				{row.preview_in && <span className={s.in}><Marked text={visible(row.preview_in)} words={words} /></span>}
				{out && <><span aria-hidden="true">→</span><span className={failed ? s.failed : s.out}><Marked text={visible(out)} words={words} /></span></>}
			</span>
		</div>
	);
});
