// The time range of a page, in its URL.
import { useState } from 'react';
import { Popover } from 'radix-ui';
import { useT } from '../i18n';
import { useQueryString } from './query';
import { useKeys } from './keys';
import { moment } from './format';
import { Button, css, Field } from './ui';

export const ranges = ['15m', '1h', '24h', '7d', '30d'] as const;

const local = (t: string | null) => {
	if (!t) return '';
	const d = new Date(t);
	return Number.isNaN(d.getTime()) ? '' : new Date(d.getTime() - d.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
};

export function RangePicker() {
	const t = useT();
	const [params, set] = useQueryString();
	const [open, setOpen] = useState(false);
	const [from, setFrom] = useState('');
	const [to, setTo] = useState('');
	const fixed = params.get('from');
	const range = params.get('range') ?? '24h';
	const show = (o: boolean) => {
		setFrom(local(fixed));
		setTo(local(params.get('to')));
		setOpen(o);
	};
	useKeys({ t: () => show(true) });
	const text = fixed ? `${moment(fixed, false).day} ${moment(fixed, false).time.slice(0, 5)} – ${params.get('to') ? `${moment(params.get('to')!, false).day} ${moment(params.get('to')!, false).time.slice(0, 5)}` : t('range.now')}` : t('range.last', { range });
	const apply = () => {
		if (!from) return;
		set({ range: null, from: new Date(from).toISOString(), to: to ? new Date(to).toISOString() : null, sel: null });
		setOpen(false);
	};
	return (
		<Popover.Root open={open} onOpenChange={show}>
			<Popover.Trigger asChild><Button icon="clock" aria-label={`${t('range.title')}: ${text}`}>{text}</Button></Popover.Trigger>
			<Popover.Portal>
				<Popover.Content className={css.menu} align="end" sideOffset={6} aria-label={t('range.title')}>
					{ranges.map((r) => (
						<button key={r} type="button" className={css.option} aria-pressed={!fixed && r === range} onClick={() => { set({ range: r, from: null, to: null, sel: null }); setOpen(false); }}>
							{t('range.last', { range: r })}
						</button>
					))}
					<form className={css.page} style={{ padding: '10px 9px', gap: 8, borderTop: '1px solid var(--line)', marginTop: 4 }} onSubmit={(e) => { e.preventDefault(); apply(); }}>
						<Field label={t('range.from')}><input className={css.input} type="datetime-local" value={from} onChange={(e) => setFrom(e.target.value)} /></Field>
						<Field label={t('range.to')}><input className={css.input} type="datetime-local" value={to} onChange={(e) => setTo(e.target.value)} /></Field>
						<Button look="primary" type="submit" disabled={!from}>{t('range.apply')}</Button>
					</form>
				</Popover.Content>
			</Popover.Portal>
		</Popover.Root>
	);
}
