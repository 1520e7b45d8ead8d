// The filter bar: what holds now as chips, and a menu of values with counts.
import { useState } from 'react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Popover } from 'radix-ui';
import { getFacets } from '../../api/routes';
import { useT, type Key } from '../../i18n';
import { short, visible } from '../../parts/format';
import { Icon } from '../../parts/icons';
import { useKeys } from '../../parts/keys';
import { filterOf, isFilter, unknownOf, useQueryString } from '../../parts/query';
import { Button, css, ErrorBox, join, Segments, Skeleton } from '../../parts/ui';
import s from './logs.module.css';

const dims = ['model', 'provider', 'fn', 'variant', 'status', 'error_kind', 'finish', 'surface', 'key'] as const;
const flags = ['stream', 'signed', 'fallback', 'cached'] as const;
const numbers = ['min_ms', 'max_ms', 'min_ttft', 'min_cost', 'min_in', 'min_out'] as const;
type Dim = (typeof dims)[number];
const dimKey = (d: string): Key => `dim.${d}` as Key;

export function chipText(name: string, value: string, t: (key: Key) => string): string {
	const label = name.startsWith('tag.') ? name.slice(4) : ([...dims, ...flags, ...numbers, 'episode', 'type'] as string[]).includes(name) ? t(dimKey(name)) : name;
	if ((flags as readonly string[]).includes(name)) return value === '1' ? label : `${t('filter.not')} ${label}`;
	return value.startsWith('!') ? `${label} ≠ ${visible(value.slice(1))}` : `${label}: ${visible(value) || t('filter.any')}`;
}

function Values({ dim, onPick }: { dim: Dim; onPick: (value: string) => void }) {
	const t = useT();
	const [params] = useQueryString();
	const [prefix, setPrefix] = useState('');
	const others = filterOf(params);
	others.delete(dim);
	const { data, error, isPending, refetch } = useQuery({
		queryKey: ['facets', dim, prefix, others.toString()], placeholderData: keepPreviousData,
		queryFn: ({ signal }) => getFacets(others, dim, prefix, signal),
	});
	const values = data?.facets[dim] ?? Object.values(data?.facets ?? {})[0] ?? [];
	return (
		<>
			<input className={css.input} autoFocus style={{ width: '100%', marginBottom: 5 }} placeholder={t('filter.find')} aria-label={t('filter.find')} value={prefix} onChange={(e) => setPrefix(e.target.value)}
				onKeyDown={(e) => { if (e.key === 'Enter' && prefix) onPick(prefix); }} />
			{error ? <ErrorBox error={error} retry={refetch} /> : isPending ? <Skeleton height={90} /> : values.map((f) => (
				<div key={f.v} className={s.facet}>
					<button type="button" className={join(css.option, s.option)} onClick={() => onPick(f.v)}><span className="cut">{visible(f.v) || t('filter.none')}</span><span className={s.facetN}>{f.n === null ? '' : short(f.n)}</span></button>
					<button type="button" className={s.facetNot} aria-label={`${t('filter.not')} ${f.v}`} onClick={() => onPick(`!${f.v}`)}>≠</button>
				</div>
			))}
			{!isPending && !values.length && <p className="muted" style={{ padding: '8px 9px' }}>{t('filter.noValues')}</p>}
		</>
	);
}

export function FilterMenu() {
	const t = useT();
	const [params, set] = useQueryString();
	const [open, setOpen] = useState(false);
	const [dim, setDim] = useState<Dim | null>(null);
	const [number, setNumber] = useState<(typeof numbers)[number] | null>(null);
	const show = (o: boolean) => { setOpen(o); setDim(null); setNumber(null); };
	useKeys({ f: () => show(true) });
	const add = (name: string, value: string) => {
		set({ [name]: [...params.getAll(name).filter((v) => v !== value), value], sel: null });
		show(false);
	};
	return (
		<Popover.Root open={open} onOpenChange={show}>
			<Popover.Trigger asChild><Button icon="filter">{t('filter.add')}</Button></Popover.Trigger>
			<Popover.Portal>
				<Popover.Content className={css.menu} align="start" sideOffset={6} style={{ width: 270 }} aria-label={t('filter.add')}>
					{dim ? <Values dim={dim} onPick={(v) => add(dim, v)} /> : number ? (
						<form onSubmit={(e) => { e.preventDefault(); const v = new FormData(e.currentTarget).get('n') as string; if (v) { set({ [number]: v, sel: null }); show(false); } }} className={css.row} style={{ padding: 6 }}>
							<label>{t(dimKey(number))} <input name="n" className={css.input} type="number" step="any" min="0" autoFocus style={{ width: 110 }} /></label>
							<Button look="primary" type="submit">{t('filter.apply')}</Button>
						</form>
					) : (
						<>
							{dims.map((d) => <button key={d} type="button" className={css.option} onClick={() => setDim(d)}>{t(dimKey(d))}<span style={{ marginLeft: 'auto' }}><Icon name="right" size={13} /></span></button>)}
							<hr style={{ border: 0, borderTop: '1px solid var(--line)', margin: '5px 0' }} />
							{flags.map((f) => <button key={f} type="button" className={css.option} onClick={() => add(f, '1')}>{t(dimKey(f))}</button>)}
							{numbers.slice(0, 4).map((n) => <button key={n} type="button" className={css.option} onClick={() => setNumber(n)}>{t(dimKey(n))}</button>)}
						</>
					)}
				</Popover.Content>
			</Popover.Portal>
		</Popover.Root>
	);
}

export function clearFilters(params: URLSearchParams): Record<string, null> {
	return Object.fromEntries([...params.keys()].filter((k) => isFilter(k) && !['range', 'from', 'to'].includes(k)).map((k) => [k, null]).concat([['sel', null]]));
}

export function FilterChips() {
	const t = useT();
	const [params, set] = useQueryString();
	const held = [...params].filter(([k, v]) => isFilter(k) && !['range', 'from', 'to', 'q', 'in'].includes(k) && !(k === 'status' && (v === 'ok' || v === 'error') && params.getAll('status').length === 1));
	const drop = (name: string, value: string) => {
		const rest = params.getAll(name).filter((v) => v !== value);
		set({ [name]: rest.length ? rest : null, sel: null });
	};
	return (
		<>
			{held.map(([k, v]) => <Chip key={`${k}=${v}`} text={chipText(k, v, t)} onDrop={() => drop(k, v)} />)}
			{unknownOf(params).map(([k, v]) => <Chip key={`${k}=${v}`} text={`${k}=${visible(v)}`} unknown onDrop={() => drop(k, v)} />)}
			{held.length > 1 && <Button small look="ghost" onClick={() => set(clearFilters(params))}>{t('filter.clear')}</Button>}
		</>
	);
}

function Chip({ text, unknown, onDrop }: { text: string; unknown?: boolean; onDrop: () => void }) {
	const t = useT();
	return <span className={join(s.chip, unknown && s.unknown)} title={unknown ? t('filter.unknown') : text}><span>{text}</span><button type="button" aria-label={`${t('filter.drop')} ${text}`} onClick={onDrop}><Icon name="close" size={11} /></button></span>;
}

export function StatusSwitch() {
	const t = useT();
	const [params, set] = useQueryString();
	const all = params.getAll('status');
	const value = all.length === 0 ? 'all' : all.length === 1 && (all[0] === 'ok' || all[0] === 'error') ? all[0] : null;
	return (
		<Segments label={t('dim.status')} value={value as 'all' | 'ok' | 'error' | null} onChange={(v) => set({ status: v === 'all' ? null : v, sel: null })}
			options={[{ value: 'all', text: t('logs.all') }, { value: 'ok', text: t('status.ok') }, { value: 'error', text: t('logs.errors') }]} />
	);
}
