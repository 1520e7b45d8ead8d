// What stands around every page: navigation, search, range, the record's state.
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { DropdownMenu } from 'radix-ui';
import { Link, useLocation } from 'wouter';
import { getHealth, signOut } from '../api/routes';
import { onTransport } from '../api/http';
import { language, setLanguage, useT, type Key } from '../i18n';
import { Icon, Logo, type IconName } from './icons';
import { isUuid, short, span } from './format';
import { useKeys } from './keys';
import { useQueryString } from './query';
import { useSession } from './session';
import { setTaste, theme, useTaste, type Theme } from './taste';
import { Button, css, Dot, join, Select } from './ui';
import { Help } from './help';
import { RangePicker } from './range';
import s from './frame.module.css';

export interface Place {
	path: string;
	key: Key;
	icon: IconName;
	letter: string;
	ranged?: boolean;
}

function current(location: string, path: string): boolean {
	return path === '/' ? location === '/' : location === path || location.startsWith(`${path}/`);
}

function Menu({ icon, label, children }: { icon: IconName; label: string; children: ReactNode }) {
	return (
		<DropdownMenu.Root>
			<DropdownMenu.Trigger asChild><Button look="ghost" icon={icon} label={label} /></DropdownMenu.Trigger>
			<DropdownMenu.Portal><DropdownMenu.Content className={css.menu} align="end" sideOffset={6}>{children}</DropdownMenu.Content></DropdownMenu.Portal>
		</DropdownMenu.Root>
	);
}

function Search() {
	const t = useT();
	const [params, set] = useQueryString();
	const [location, go] = useLocation();
	const inLogs = current(location, '/logs');
	const kept = inLogs ? (params.get('q') ?? '') : '';
	const [text, type] = useState(kept);
	const input = useRef<HTMLInputElement>(null);
	useEffect(() => type(kept), [kept]);
	useKeys({ '/': () => { input.current?.focus(); input.current?.select(); } });
	const submit = () => {
		const q = text.trim();
		if (isUuid(q)) go(`/logs/${encodeURIComponent(q)}`);
		else if (inLogs) set({ q: q || null, sel: null });
		else if (q) go(`/logs?q=${encodeURIComponent(q)}`);
	};
	return (
		<form className={s.search} role="search" onSubmit={(e) => { e.preventDefault(); submit(); }}>
			<Icon name="search" />
			<input ref={input} aria-label={t('frame.search')} placeholder={t('frame.searchHint')} value={text} spellCheck={false}
				onChange={(e) => { type(e.target.value); if (!e.target.value && inLogs) set({ q: null }, true); }}
				onKeyDown={(e) => { if (e.key === 'Escape') input.current?.blur(); }} />
			<kbd aria-hidden="true">/</kbd>
		</form>
	);
}

function ThemeMenu() {
	const t = useT();
	useTaste();
	const options: [Theme, IconName, Key][] = [['system', 'screen', 'theme.system'], ['light', 'sun', 'theme.light'], ['dark', 'moon', 'theme.dark']];
	return (
		<Menu icon={theme() === 'dark' ? 'moon' : theme() === 'light' ? 'sun' : 'screen'} label={t('theme.title')}>
			{options.map(([value, icon, key]) => (
				<DropdownMenu.Item key={value} onSelect={() => setTaste('theme', value)}><Icon name={icon} />{t(key)}{theme() === value && <Icon name="check" size={14} />}</DropdownMenu.Item>
			))}
		</Menu>
	);
}

function LanguageMenu() {
	const t = useT();
	return (
		<Menu icon="globe" label={t('language.title')}>
			{([['en', 'English'], ['zh-CN', '简体中文']] as const).map(([value, name]) => (
				<DropdownMenu.Item key={value} lang={value} onSelect={() => setLanguage(value)}>{name}{language() === value && <Icon name="check" size={14} />}</DropdownMenu.Item>
			))}
		</Menu>
	);
}

function UserMenu() {
	const t = useT();
	const session = useSession();
	const client = useQueryClient();
	if (session.method === 'local' || session.method === 'auto' || session.method === 'none') return null;
	const leave = async () => {
		await signOut().catch(() => undefined);
		client.clear();
		window.location.reload();
	};
	return (
		<Menu icon="user" label={t('frame.account')}>
			<DropdownMenu.Label className={css.option}>{session.user ?? t('frame.account')} · {session.role}</DropdownMenu.Label>
			<DropdownMenu.Item onSelect={leave}><Icon name="external" />{t('frame.signOut')}</DropdownMenu.Item>
		</Menu>
	);
}

function Offline() {
	const t = useT();
	const client = useQueryClient();
	const [down, set] = useState(false);
	const [left, count] = useState(5);
	useEffect(() => onTransport((e) => { if (e === 'offline') set(true); if (e === 'online') set(false); }), []);
	useEffect(() => {
		if (!down) return;
		count(5);
		const timer = setInterval(() => count((n) => {
			if (n > 1) return n - 1;
			void client.refetchQueries({ type: 'active' });
			return 5;
		}), 1000);
		return () => clearInterval(timer);
	}, [down, client]);
	return down ? <div className={join(s.bar, s.offline)} role="status"><Icon name="alert" />{t('frame.offline', { seconds: left })}<Button small onClick={() => void client.refetchQueries({ type: 'active' })}>{t('common.retry')}</Button></div> : null;
}

function Foot() {
	const t = useT();
	const session = useSession();
	const { data } = useQuery({ queryKey: ['health'], queryFn: ({ signal }) => getHealth(signal), refetchInterval: 5000, retry: false });
	const sink = data?.record.sink;
	const tone = recordTone(data?.record);
	return (
		<footer className={s.foot}>
			{data && sink && (
				<span className={s.record}><Dot tone={tone} />{t(`record.${tone}` as Key)} · {sink.type} · {t('record.backlog', { n: short(data.record.rows) })}</span>
			)}
			{data && <span className={s.late}>{t('frame.config')} <code>{data.config_hash.slice(0, 8)}</code></span>}
			{data && <span className={s.late}>{t('frame.uptime', { time: span(data.uptime_s) })}</span>}
			<span className={s.spacer} />
			<span className={s.late}>signet {session.version}</span>
		</footer>
	);
}

export function recordTone(record: { oldest_s: number; bytes: number; limit_bytes: number; sink: { state: string } } | undefined): 'ok' | 'warn' | 'bad' {
	if (!record) return 'ok';
	if (record.sink.state === 'down' || record.sink.state === 'blocked') return 'bad';
	return record.sink.state === 'slow' || record.oldest_s > 60 || record.bytes * 2 > record.limit_bytes ? 'warn' : 'ok';
}

export function Frame({ places, children }: { places: Place[]; children: ReactNode }) {
	const t = useT();
	const session = useSession();
	const [location, go] = useLocation();
	const [open, setOpen] = useState(false);
	const [help, setHelp] = useState(false);
	const place = places.find((p) => current(location, p.path)) ?? places[0]!;
	useEffect(() => setOpen(false), [location]);
	useKeys({ '?': () => setHelp(true), ...Object.fromEntries(places.map((p) => [`g ${p.letter}`, () => go(p.path)])) });
	return (
		<div className={s.frame}>
			<a className={s.skip} href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>{t('frame.skip')}</a>
			<button type="button" className={s.veil} data-open={open} aria-label={t('common.close')} tabIndex={-1} onClick={() => setOpen(false)} />
			<nav className={s.side} data-open={open} aria-label={t('frame.navigation')}>
				<Link href="/" className={s.brand}><Logo />Signet</Link>
				{places.filter((p) => p.path !== '/settings').map((p) => <Item key={p.path} place={p} here={current(location, p.path)} />)}
				<span className={s.gap} />
				{places.filter((p) => p.path === '/settings').map((p) => <Item key={p.path} place={p} here={current(location, p.path)} />)}
			</nav>
			<header className={s.head}>
				<Button className={s.burger} look="ghost" icon="menu" label={t('frame.navigation')} aria-expanded={open} onClick={() => setOpen(!open)} />
				<h1>{t(place.key)}</h1>
				<Search />
				<span className={s.spacer} />
				{place.ranged && <RangePicker />}
				<span className={s.narrow}><Button look="ghost" label={t('help.title')} onClick={() => setHelp(true)}>?</Button></span>
				<LanguageMenu /><ThemeMenu /><UserMenu />
			</header>
			<main className={s.main} id="main" tabIndex={-1}>
				<Offline />
				{session.method === 'none' && <div className={join(s.bar, s.unprotected)}><Icon name="alert" />{t('frame.unprotected')}</div>}
				{children}
			</main>
			<Foot />
			<Help open={help} onClose={() => setHelp(false)} places={places} />
		</div>
	);
}

function Item({ place, here }: { place: Place; here: boolean }) {
	const t = useT();
	return <Link href={place.path} className={s.item} aria-current={here ? 'page' : undefined}><Icon name={place.icon} />{t(place.key)}<kbd aria-hidden="true">g {place.letter}</kbd></Link>;
}

export { s as frameCss, Select };
