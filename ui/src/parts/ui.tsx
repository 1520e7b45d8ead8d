// Small parts that every page uses.
import { useEffect, useRef, useState, type ButtonHTMLAttributes, type ReactNode } from 'react';
import { Dialog as RadixDialog } from 'radix-ui';
import { useT, type Key } from '../i18n';
import { ApiError } from '../api/http';
import { Icon, type IconName } from './icons';
import s from './ui.module.css';

export { s as css };
export const join = (...names: (string | false | null | undefined)[]) => names.filter(Boolean).join(' ');

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & { look?: 'primary' | 'danger' | 'ghost'; small?: boolean; icon?: IconName; label?: string };
export function Button({ look, small, icon, label, children, className, ...rest }: ButtonProps) {
	return (
		<button type="button" aria-label={label} title={label} className={join(s.button, look && s[look], small && s.small, !children && s.icon, className)} {...rest}>
			{icon && <Icon name={icon} size={small ? 13 : 15} />}
			{children}
		</button>
	);
}

export type Tone = 'ok' | 'bad' | 'warn' | 'info' | 'accent' | undefined;
export function Badge({ tone, title, children }: { tone?: Tone; title?: string; children: ReactNode }) {
	return <span className={join(s.badge, tone && s[tone])} title={title}>{children}</span>;
}
export function Dot({ tone }: { tone?: 'ok' | 'bad' | 'warn' }) {
	return <span className={join(s.dot, tone && s[tone])} aria-hidden="true" />;
}

export function Card({ title, actions, children, className }: { title?: ReactNode; actions?: ReactNode; children: ReactNode; className?: string }) {
	return (
		<section className={join(s.card, className)}>
			{title && <header className={s.cardHead}><h2>{title}</h2>{actions}</header>}
			{children}
		</section>
	);
}

export function Empty({ icon = 'inbox', title, children }: { icon?: IconName; title: string; children?: ReactNode }) {
	return <div className={s.empty}><Icon name={icon} size={28} /><h2>{title}</h2>{children}</div>;
}

export function CopyButton({ text, label, small = true, children, look = 'ghost' }: { text: string | (() => string); label?: string; small?: boolean; children?: ReactNode; look?: 'ghost' | 'primary' }) {
	const t = useT();
	const [said, say] = useState<'no' | 'done' | 'refused'>('no');
	const copy = async () => {
		try {
			await navigator.clipboard.writeText(typeof text === 'function' ? text() : text);
			say('done');
		} catch {
			say('refused');
		}
		setTimeout(() => say('no'), 2000);
	};
	const name = said === 'done' ? t('common.copied') : said === 'refused' ? t('common.copyRefused') : (label ?? t('common.copy'));
	return (
		<Button look={look} small={small} icon={said === 'done' ? 'check' : said === 'refused' ? 'alert' : 'copy'} label={name} onClick={copy}>
			{children && (said === 'no' ? children : name)}
			<span className="sr" role="status">{said === 'no' ? '' : name}</span>
		</Button>
	);
}

export function Code({ text }: { text: string }) {
	return <div className={s.code}><pre tabIndex={0}>{text}</pre><CopyButton text={text} /></div>;
}

export function ErrorBox({ error, retry }: { error: unknown; retry?: () => void }) {
	const t = useT();
	const e = error instanceof ApiError ? error : null;
	const text = error instanceof Error ? error.message : String(error);
	return (
		<div className={s.error} role="alert">
			<pre>{e?.status === 0 ? t('common.unreachable') : text}</pre>
			{e && <div className={s.errorFacts}>{e.status || '—'} · <code>{e.route.split('?')[0]}</code></div>}
			<div className={s.row}>
				{retry && <Button small icon="refresh" onClick={retry}>{t('common.retry')}</Button>}
				<CopyButton text={`${e?.status ?? ''} ${e?.route ?? ''} ${text}`}>{t('common.copy')}</CopyButton>
			</div>
		</div>
	);
}

/** A block of the final size, after 150 ms: what is quick does not flicker. */
export function Skeleton({ height = 16, width = '100%' }: { height?: number | string; width?: number | string }) {
	const [shown, show] = useState(false);
	useEffect(() => {
		const timer = setTimeout(() => show(true), 150);
		return () => clearTimeout(timer);
	}, []);
	return <div className={shown ? s.skeleton : undefined} style={{ height, width }} aria-hidden="true" />;
}

export function Segments<T extends string>({ label, value, options, onChange }: { label: string; value: T | null; options: { value: T; text: string }[]; onChange: (v: T) => void }) {
	return (
		<div className={s.segments} role="group" aria-label={label}>
			{options.map((o) => <button key={o.value} type="button" aria-pressed={o.value === value} onClick={() => onChange(o.value)}>{o.text}</button>)}
		</div>
	);
}

export function Select({ label, value, options, onChange, disabled }: { label: string; value: string; options: { value: string; text: string }[]; onChange: (v: string) => void; disabled?: boolean }) {
	return (
		<select className={s.select} aria-label={label} value={value} disabled={disabled} onChange={(e) => onChange(e.target.value)}>
			{options.map((o) => <option key={o.value} value={o.value}>{o.text}</option>)}
		</select>
	);
}

export function Field({ label, hint, children }: { label: string; hint?: string; children: ReactNode }) {
	return <label className={s.field}><span>{label}</span>{children}{hint && <small>{hint}</small>}</label>;
}

export function Dialog({ open, onClose, title, text, children }: { open: boolean; onClose: () => void; title: string; text?: string; children: ReactNode }) {
	return (
		<RadixDialog.Root open={open} onOpenChange={(o) => !o && onClose()}>
			<RadixDialog.Portal>
				<RadixDialog.Overlay className={s.overlay} />
				<RadixDialog.Content className={s.dialog} {...(text ? {} : { 'aria-describedby': undefined })}>
					<RadixDialog.Title asChild><h2>{title}</h2></RadixDialog.Title>
					{text && <RadixDialog.Description className="muted">{text}</RadixDialog.Description>}
					{children}
				</RadixDialog.Content>
			</RadixDialog.Portal>
		</RadixDialog.Root>
	);
}

export function Confirm({ open, title, text, yes, onYes, onClose, danger }: { open: boolean; title: string; text: string; yes: string; onYes: () => void; onClose: () => void; danger?: boolean }) {
	const t = useT();
	return (
		<Dialog open={open} onClose={onClose} title={title} text={text}>
			<div className={s.dialogEnd}>
				<Button onClick={onClose}>{t('common.cancel')}</Button>
				<Button look={danger ? 'danger' : 'primary'} onClick={onYes}>{yes}</Button>
			</div>
		</Dialog>
	);
}

export function Facts({ items }: { items: [string, ReactNode][] }) {
	return <dl className={s.facts}>{items.map(([k, v]) => <div key={k} style={{ display: 'contents' }}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>;
}

/** The page's title for the tab and for screen readers. */
export function useTitle(key: Key, more?: string): void {
	const t = useT();
	useEffect(() => {
		document.title = `${more ? `${more} · ` : ''}${t(key)} · Signet`;
	}, [t, key, more]);
}

/** Calls again each `ms` while the tab is seen. */
export function useEvery(msec: number, run: () => void): void {
	const latest = useRef(run);
	latest.current = run;
	useEffect(() => {
		const timer = setInterval(() => { if (!document.hidden) latest.current(); }, msec);
		return () => clearInterval(timer);
	}, [msec]);
}
