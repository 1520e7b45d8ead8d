// Settings: every key with where it came from; what the files on disk would change; reload.
import { useMemo, useState } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Tabs } from 'radix-ui';
import { activateConfig, checkConfig, getConfig, getHealth, reloadConfig } from '../../api/routes';
import type { ConfigCheck, ConfigView } from '../../api/types';
import { useT, type Key } from '../../i18n';
import { age, bytes, int, json, ms, span, visible } from '../../parts/format';
import { useMay, useSession } from '../../parts/session';
import { keysOn, setTaste, theme, useTaste, type Theme } from '../../parts/taste';
import { language, setLanguage, type Language } from '../../i18n';
import { Badge, Button, Card, css, Empty, ErrorBox, Facts, join, Segments, Skeleton, useTitle } from '../../parts/ui';

export function SettingsPage() {
	const t = useT();
	useTitle('nav.settings');
	return (
		<Tabs.Root defaultValue="config" className={css.page}>
			<Tabs.List className={css.tabs} aria-label={t('nav.settings')}>
				<Tabs.Trigger value="config">{t('settings.config')}</Tabs.Trigger>
				<Tabs.Trigger value="system">{t('settings.system')}</Tabs.Trigger>
				<Tabs.Trigger value="taste">{t('settings.taste')}</Tabs.Trigger>
			</Tabs.List>
			<Tabs.Content value="config" className={css.page} style={{ padding: 0 }}><Configuration /></Tabs.Content>
			<Tabs.Content value="system" className={css.page} style={{ padding: 0 }}><System /></Tabs.Content>
			<Tabs.Content value="taste" className={css.page} style={{ padding: 0 }}><Taste /></Tabs.Content>
		</Tabs.Root>
	);
}

function Configuration() {
	const t = useT();
	const client = useQueryClient();
	const session = useSession();
	const admin = useMay('admin') && session.features.includes('config-check');
	const [find, setFind] = useState('');
	const [changed, setChanged] = useState(false);
	const { data, error, refetch } = useQuery({ queryKey: ['config'], queryFn: ({ signal }) => getConfig(signal) });
	const check = useMutation({ mutationFn: checkConfig });
	const reload = useMutation({ mutationFn: (hash: string) => reloadConfig(hash), onSuccess: () => { check.reset(); void client.invalidateQueries(); } });
	const activate = useMutation({ mutationFn: activateConfig, onSuccess: () => { check.reset(); void client.invalidateQueries(); } });
	const failed = check.error ?? reload.error ?? activate.error;
	const shown = useMemo(() => {
		const words = find.toLowerCase().split(/\s+/).filter(Boolean);
		return (data?.entries ?? []).filter((e) => (!changed || e.from !== 'default') && words.every((w) => e.key.toLowerCase().includes(w) || json(e.value ?? '').toLowerCase().includes(w)));
	}, [data, find, changed]);
	if (error) return <ErrorBox error={error} retry={refetch} />;
	if (!data) return <Skeleton height={300} />;
	return (
		<>
			<Card title={<span className={css.row}><code style={{ fontSize: 13 }}>{data.hash.slice(0, 12)}</code><span className="muted" style={{ fontWeight: 400 }}>{t('settings.loaded', { time: age(data.loaded_at) })} · {data.files.map((f) => f.path).join(', ') || t('settings.noFiles')}</span></span>}
				actions={admin && <Button small icon="refresh" disabled={check.isPending} onClick={() => check.mutate()}>{t('settings.check')}</Button>}>
				{failed && <div style={{ padding: 12 }}><ErrorBox error={failed} /></div>}
				{check.data && <Checked check={check.data} onReload={session.features.includes('config-reload') ? (hash) => reload.mutate(hash) : null} busy={reload.isPending} />}
				<div className={css.row} style={{ padding: '10px 14px', borderBottom: '1px solid var(--line)' }}>
					<input className={css.input} style={{ flex: 1, maxWidth: 420 }} aria-label={t('settings.find')} placeholder={t('settings.find')} value={find} onChange={(e) => setFind(e.target.value)} />
					<label className={css.row}><input type="checkbox" checked={changed} onChange={(e) => setChanged(e.target.checked)} />{t('settings.changed')}</label>
					<span className="muted">{t('settings.n', { n: int(shown.length), of: int(data.entries.length) })}</span>
				</div>
				{!shown.length ? <Empty icon="search" title={t('settings.noMatch')} /> : (
					<div className={css.scrollX} tabIndex={0}><table className={join(css.list, css.stack)}>
						<thead><tr><th>{t('settings.key')}</th><th>{t('col.value')}</th><th>{t('col.from')}</th></tr></thead>
						<tbody>{shown.map((e) => (
							<tr key={e.key}><td><code>{e.key}</code> {e.deprecated && <Badge tone="warn">{t('settings.deprecated')}</Badge>}{e.ignored && <Badge tone="warn">{t('settings.ignored')}</Badge>}{e.needs_restart && <Badge tone="warn">{t('settings.needsRestart', { value: json(e.running) ?? 'null' })}</Badge>}</td><td><code style={{ overflowWrap: 'anywhere' }}>{visible(json(e.value) ?? 'null')}</code></td>
								<td className="muted" style={{ whiteSpace: 'nowrap' }}>{e.from === 'file' && e.file ? <code>{e.file.split('/').at(-1)}:{e.line}</code> : t(`from.${e.from}` as Key)}</td></tr>
						))}</tbody>
					</table></div>
				)}
			</Card>
			{admin && data.history.length > 1 && <History view={data} busy={activate.isPending} onReturn={(hash) => activate.mutate(hash)} />}
		</>
	);
}

// Those that were in force before, as long as the gateway runs.
function History({ view, busy, onReturn }: { view: ConfigView; busy: boolean; onReturn: (hash: string) => void }) {
	const t = useT();
	return (
		<Card title={t('settings.history')}>
			<div className={css.scrollX} tabIndex={0}><table className={css.list}>
				<thead><tr><th>{t('settings.hash')}</th><th>{t('settings.loadedAt')}</th><th><span className="sr">{t('settings.return')}</span></th></tr></thead>
				<tbody>{view.history.map((h, i) => (
					<tr key={h.hash}><td><code>{h.hash.slice(0, 12)}</code></td><td className="muted">{age(h.loaded_at)}</td>
						<td style={{ textAlign: 'end' }}>{i === 0 ? <Badge tone="ok">{t('settings.inForce')}</Badge> : <Button small disabled={busy} onClick={() => onReturn(h.hash)}>{t('settings.return')}</Button>}</td></tr>
				))}</tbody>
			</table></div>
		</Card>
	);
}

function Checked({ check, onReload, busy }: { check: ConfigCheck; onReload: ((hash: string) => void) | null; busy: boolean }) {
	const t = useT();
	return (
		<div role="status" style={{ padding: 14, display: 'grid', gap: 10, borderBottom: '1px solid var(--line)', background: 'var(--sunken)' }}>
			{!check.ok ? <div className={css.error}>{check.errors.map((e, i) => <pre key={i}>{e.file ? `${e.file}:${e.line}: ` : ''}{visible(e.text)}</pre>)}</div> : !check.diff.length ? <span className={css.row}><Badge tone="ok">{t('settings.same')}</Badge></span> : (
				<>
					<div className={css.scrollX} tabIndex={0}><table className={css.list}><thead><tr><th>{t('settings.key')}</th><th>{t('settings.old')}</th><th>{t('settings.new')}</th><th>{t('settings.when')}</th></tr></thead>
						<tbody>{check.diff.map((d) => <tr key={d.key}><td><code>{d.key}</code></td><td><code style={{ color: 'var(--bad)' }}>{json(d.old) ?? ''}</code></td><td><code style={{ color: 'var(--ok)' }}>{json(d.new) ?? ''}</code></td><td className="muted">{t(d.when === 'now' ? 'settings.now' : 'settings.restart')}</td></tr>)}</tbody></table></div>
					{onReload && check.hash && <div><Button look="primary" disabled={busy} onClick={() => onReload(check.hash!)}>{t('settings.reload')}</Button></div>}
					{!onReload && <p className="muted">{t('settings.restartToApply')}</p>}
				</>
			)}
		</div>
	);
}

function System() {
	const t = useT();
	const session = useSession();
	const { data, error, refetch } = useQuery({ queryKey: ['health'], queryFn: ({ signal }) => getHealth(signal), refetchInterval: 5000 });
	if (error && !data) return <ErrorBox error={error} retry={refetch} />;
	if (!data) return <Skeleton height={240} />;
	return (
		<>
			<Card title={t('settings.process')}><div style={{ padding: '13px 16px' }}><Facts items={[
				[t('settings.version'), session.version], [t('settings.uptime'), span(data.uptime_s)], [t('settings.rss'), bytes(data.rss)], [t('settings.hash'), <code>{data.config_hash}</code>],
				...(data.files_changed ? [[t('settings.files'), <Badge tone="warn">{t('settings.filesChanged')}</Badge>] as [string, React.ReactNode]] : []),
			]} /></div></Card>
			<Card title={t('settings.workers')}><div className={css.scrollX} tabIndex={0}><table className={css.list}>
				<thead><tr><th>#</th><th className="num">{t('settings.connections')}</th><th className="num">{t('settings.streams')}</th><th className="num">{t('settings.lag')}</th></tr></thead>
				<tbody>{data.workers.map((w, i) => <tr key={i}><td>{i}</td><td className="num">{int(w.connections)}</td><td className="num">{int(w.streams)}</td><td className="num">{ms(w.loop_lag_ms)}</td></tr>)}</tbody>
			</table></div></Card>
		</>
	);
}

function Taste() {
	const t = useT();
	useTaste();
	return (
		<Card title={t('settings.taste')}>
			<div style={{ padding: '14px 16px', display: 'grid', gap: 16, justifyItems: 'start' }}>
				<div className={css.field}><span>{t('theme.title')}</span><Segments<Theme> label={t('theme.title')} value={theme()} onChange={(v) => setTaste('theme', v)} options={[{ value: 'system', text: t('theme.system') }, { value: 'light', text: t('theme.light') }, { value: 'dark', text: t('theme.dark') }]} /></div>
				<div className={css.field}><span>{t('language.title')}</span><Segments<Language> label={t('language.title')} value={language()} onChange={setLanguage} options={[{ value: 'en', text: 'English' }, { value: 'zh-CN', text: '简体中文' }]} /></div>
				<label className={css.row}><input type="checkbox" checked={keysOn()} onChange={(e) => setTaste('keys', e.target.checked ? 'on' : 'off')} />{t('help.single')}</label>
			</div>
		</Card>
	);
}
