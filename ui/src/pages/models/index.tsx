// Models: the chain of each, how its providers are, what an upstream lists, and a test.
import { useMemo, useState } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';
import { discover, getHealth, getModels, getOverview } from '../../api/routes';
import type { Discovered, ModelProvider, Models, ProviderHealth } from '../../api/types';
import { useT, type Key } from '../../i18n';
import { age, dash, full, int, money, ms, percent, visible } from '../../parts/format';
import { useAnswersOnly } from '../../parts/record';
import { useMay } from '../../parts/session';
import { Badge, Button, Card, Code, css, Dot, Empty, ErrorBox, join, Skeleton, useTitle } from '../../parts/ui';
import { TestDialog } from './test';
import s from './models.module.css';

const example = `[models.gpt-4o]\nrouting = ["openai"]\n\n[models.gpt-4o.providers.openai]\ntype = "openai"\nmodel_name = "gpt-4o"\n`;
const sum = (v: (number | null)[]) => v.reduce<number>((a, b) => a + (b ?? 0), 0);
const last = (v: (number | null)[]) => v.reduce<number | null>((a, b) => b ?? a, null);

export function ModelsPage() {
	const t = useT();
	useTitle('nav.models');
	const models = useQuery({ queryKey: ['models'], queryFn: ({ signal }) => getModels(signal), refetchInterval: 5000 });
	const health = useQuery({ queryKey: ['health'], queryFn: ({ signal }) => getHealth(signal), refetchInterval: 5000 });
	const day = useQuery({ queryKey: ['overview', 'models'], queryFn: ({ signal }) => getOverview(new URLSearchParams({ range: '24h' }), 'model', '86400', signal), refetchInterval: 30000, retry: false });
	const answersOnly = useAnswersOnly();
	const [test, setTest] = useState<{ model: string; provider: string } | null>(null);
	const traffic = useMemo(() => new Map((day.data?.series ?? []).map((x) => [x.by ?? '', { n: sum(x.n), err: sum(x.err), p95: last(x.p95), ttft: last(x.ttft95), cost: sum(x.priced) ? sum(x.cost) : null }])), [day.data]);
	const configured = new Set(models.data?.models.map((m) => m.name));
	const others = [...traffic].filter(([name, x]) => name && !configured.has(name) && x.n);
	return (
		<div className={css.page}>
			{models.error ? <ErrorBox error={models.error} retry={models.refetch} /> : !models.data ? <Skeleton height={220} /> : (
				<Card title={t('models.configured')}>
					{!models.data.models.length ? <Empty icon="models" title={t('models.none')}><p>{t('models.noneText')}</p><Code text={example} /></Empty> : (
						<div className={css.scrollX} tabIndex={0}><table className={css.list}>
							<thead><tr><th>{t('col.model')}</th><th>{t('models.chain')}</th><th className="num">{t('models.day')}</th><th className="num">{t('overview.errors')}</th><th className="num">p95</th><th className="num">{t('col.ttft')}</th><th className="num">{t('col.cost')}</th></tr></thead>
							<tbody>{models.data.models.map((m) => <ModelRows key={m.name} model={m} traffic={traffic.get(m.name)} health={health.data?.providers ?? []} onTest={(provider) => setTest({ model: m.name, provider })} />)}</tbody>
						</table></div>
					)}
				</Card>
			)}
			{others.length > 0 && (
				<Card title={t('models.shorthand')}>
					<div className={css.scrollX} tabIndex={0}><table className={css.list}><tbody>{others.map(([name, x]) => <tr key={name}><td><Link href={`/logs?model=${encodeURIComponent(name)}`}>{visible(name)}</Link></td><td className="num">{int(x.n)}</td><td className="num">{answersOnly ? dash : percent(x.err, x.n)}</td><td className="num">{ms(x.p95)}</td><td className="num">{money(x.cost)}</td></tr>)}</tbody></table></div>
				</Card>
			)}
			{models.data?.discovered.map((d) => <DiscoveredCard key={d.provider} list={d} models={models.data} />)}
			{test && <TestDialog {...test} onClose={() => setTest(null)} />}
		</div>
	);
}

function ModelRows({ model, traffic, health, onTest }: { model: Models['models'][number]; traffic: { n: number; err: number; p95: number | null; ttft: number | null; cost: number | null } | undefined; health: ProviderHealth[]; onTest: (provider: string) => void }) {
	const answersOnly = useAnswersOnly();
	const of = (p: string) => health.find((h) => h.model === model.name && h.provider === p);
	const providers = model.routing.map((name) => model.providers.find((p) => p.name === name)).filter((p): p is ModelProvider => Boolean(p));
	return (
		<>
			<tr className={traffic?.n ? undefined : 'muted'}>
				<td><Link href={`/logs?model=${encodeURIComponent(model.name)}`} style={{ fontWeight: 600 }}>{model.name}</Link></td>
				<td><span className={s.chain}>{model.routing.map((name, i) => <span key={name} className={s.chain}>{i > 0 && <span aria-hidden="true" className="muted">→</span>}<span className={s.hop}><Dot tone={toneOf(of(name))} />{name}</span></span>)}</span></td>
				<td className="num">{traffic ? int(traffic.n) : dash}</td><td className="num">{traffic && !answersOnly ? percent(traffic.err, traffic.n) : dash}</td><td className="num">{ms(traffic?.p95)}</td><td className="num">{ms(traffic?.ttft)}</td><td className="num">{money(traffic?.cost)}</td>
			</tr>
			{providers.map((p) => <ProviderRow key={p.name} provider={p} health={of(p.name)} onTest={() => onTest(p.name)} />)}
		</>
	);
}

const toneOf = (h: ProviderHealth | undefined) => (h?.state === 'ok' ? 'ok' : h?.state === 'failing' ? 'bad' : undefined);

function ProviderRow({ provider: p, health: h, onTest }: { provider: ModelProvider; health: ProviderHealth | undefined; onTest: () => void }) {
	const t = useT();
	const mayTest = useMay('editor');
	return (
		<tr className={s.sub}>
			<td><span style={{ fontWeight: 550 }}>{p.name}</span> <Badge>{p.type}</Badge></td>
			<td colSpan={4}>
				<span className={css.row}>
					{p.model_name && <code>{p.model_name}</code>}{p.host && <span className="muted">{p.host}</span>}
					{p.credential && <Badge tone={/ unset$/.test(p.credential) ? 'bad' : undefined}>{p.credential}</Badge>}
					{p.signer && <Badge tone="accent">{t('models.signed')}</Badge>}
				</span>
				{h?.last_error && h.state === 'failing' && <div className="cut" style={{ color: 'var(--bad)', fontSize: 12, maxWidth: 620 }} title={full(h.last_error.t)}>{h.last_error.status ?? ''} {visible(h.last_error.text)} · {t('common.ago', { time: age(h.last_error.t) })}</div>}
			</td>
			<td><Badge tone={toneOf(h)}>{t(`health.${h?.state ?? 'idle'}` as Key)}</Badge></td>
			<td className="num">{mayTest && <Button small onClick={onTest}>{t('models.test')}</Button>}</td>
		</tr>
	);
}

function DiscoveredCard({ list, models }: { list: Discovered; models: Models }) {
	const t = useT();
	const client = useQueryClient();
	const may = useMay('editor');
	const model = models.models.find((m) => m.providers.some((p) => p.name === list.provider || `${m.name}/${p.name}` === list.provider || `models.${m.name}.providers.${p.name}` === list.provider));
	const fresh = useMutation({ mutationFn: () => discover(model!.name, list.provider.split(/[/.]/).at(-1)!), onSuccess: () => client.invalidateQueries({ queryKey: ['models'] }) });
	return (
		<Card title={t('models.discovered', { provider: list.provider })} actions={<><span className="muted">{list.fetched_at ? t('models.listed', { time: age(list.fetched_at) }) : t('models.neverListed')}</span>{may && model && <Button small icon="refresh" disabled={fresh.isPending} onClick={() => fresh.mutate()}>{t('models.refresh')}</Button>}</>}>
			{(list.error || fresh.error) && <div style={{ padding: 12 }}><ErrorBox error={fresh.error ?? list.error} /></div>}
			{list.items.length ? (
				<div className={css.scrollX} tabIndex={0}><table className={css.list}>
					<thead><tr><th>{t('col.model')}</th><th>{t('models.type')}</th><th className="num">{t('models.left')}</th><th>{t('models.usable')}</th></tr></thead>
					<tbody>{list.items.map((i) => (
						<tr key={i.modelName}><td><span style={{ fontWeight: 550 }}>{visible(i.displayName)}</span> <code className="muted">{visible(i.modelName)}</code> {i.isNew && <Badge tone="info">{t('models.new')}</Badge>}</td><td>{i.modelType ?? dash}</td>
							<td className="num">{i.usageLeft === null ? <span className="muted">{t('models.unknown')}</span> : int(i.usageLeft)}</td>
							<td><Badge tone={i.usable ? 'ok' : 'bad'}>{i.usable ? t('models.yes') : i.usageLeft === 0 ? t('models.noneLeft') : visible(i.why ?? t('models.no'))}</Badge></td></tr>
					))}</tbody>
				</table></div>
			) : !list.error && <p className={join(css.page, 'muted')}>{t('models.emptyList')}</p>}
		</Card>
	);
}
