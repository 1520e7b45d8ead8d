// One inference, as a page or beside the list.
import { useState, type ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { DropdownMenu, Tabs } from 'radix-ui';
import { Link, useLocation } from 'wouter';
import { getInference, partPath, rawPath } from '../../api/routes';
import { ApiError, gatewayUrl } from '../../api/http';
import type { Detail } from '../../api/types';
import { useT, type Key } from '../../i18n';
import { dash, full, functionOf, int, json, money, moment, ms, parsed, visible } from '../../parts/format';
import { useKeys } from '../../parts/keys';
import { useMay, useSession } from '../../parts/session';
import { Badge, Button, Card, CopyButton, css, Empty, ErrorBox, join, Skeleton, useTitle } from '../../parts/ui';
import { statusText, toneOf } from '../logs/row';
import { curlOf, pythonOf } from './again';
import { Calls } from './calls';
import { Conversation, JsonView, MessageCard, Output, PartView, RawText, usePart } from './content';
import { Timing } from './timing';
import s from './inference.module.css';

const tabs = ['conversation', 'timing', 'calls', 'raw', 'params', 'tags'] as const;
type Tab = (typeof tabs)[number];

export function InferencePage({ id }: { id: string }) {
	useTitle('inference.title', id.slice(0, 13));
	const [, go] = useLocation();
	return <div className={s.page}><Inference id={id} onClose={() => go('/logs')} alone /></div>;
}

interface Props {
	id: string;
	onClose: () => void;
	onStep?: (by: number) => void;
	alone?: boolean;
}

export function Inference({ id, onClose, onStep, alone }: Props) {
	const t = useT();
	const { data, error, isPending, refetch } = useQuery({ queryKey: ['inference', id], queryFn: ({ signal }) => getInference(id, signal), retry: false, staleTime: 60000 });
	if (error instanceof ApiError && error.status === 404) return <Whole><Empty icon="search" title={t('inference.unknown')}><p>{t('inference.unknownText')}</p><code>{id}</code><Button onClick={onClose}>{t(alone ? 'inference.toLogs' : 'common.close')}</Button></Empty></Whole>;
	if (error) return <Whole><div className={css.page}><ErrorBox error={error} retry={refetch} /><Button onClick={onClose}>{t('common.close')}</Button></div></Whole>;
	if (isPending) return <Whole><div className={css.page}><Skeleton height={64} /><Skeleton height={36} /><Skeleton height={140} /><Skeleton height={200} /></div></Whole>;
	return <Loaded key={id} detail={data} onClose={onClose} onStep={onStep} alone={alone} />;
}

const Whole = ({ children }: { children: ReactNode }) => <div style={{ flex: 1, minWidth: 0, overflow: 'auto' }}>{children}</div>;

function Stat({ name, value, title }: { name: string; value: ReactNode; title?: string }) {
	return <span className={s.stat} title={title}><small>{name}</small><b>{value}</b></span>;
}

function Loaded({ detail, onClose, onStep, alone }: { detail: Detail } & Omit<Props, 'id'>) {
	const t = useT();
	const session = useSession();
	const mayEdit = useMay('editor');
	const [, go] = useLocation();
	const [tab, setTab] = useState<Tab>('conversation');
	const row = detail.row;
	const input = usePart(detail.input, partPath(row.id, 'input'));
	const recorded = parsed(input.value);
	const gateway = gatewayUrl(session.public_url);
	const link = () => new URL(`logs/${row.id}`, document.baseURI).href;
	const replay = () => go(`/playground?from=${row.id}`);
	const copy = (text: string) => void navigator.clipboard.writeText(text).catch(() => undefined);
	useKeys({
		...Object.fromEntries(tabs.map((name, i) => [String(i + 1), () => setTab(name)])),
		r: () => setTab(tab === 'raw' ? 'conversation' : 'raw'), c: () => copy(link()), C: () => copy(curlOf(detail, recorded, gateway)),
		...(mayEdit ? { p: replay } : {}),
	});
	const at = moment(row.t, false);
	const named = functionOf(row);
	const title = named ? `${named} / ${row.variant}` : (row.model || row.variant || t('logs.unresolved'));
	const recordedInput = (recorded ?? {}) as { messages?: unknown[]; system?: unknown };
	return (
		<Tabs.Root value={tab} onValueChange={(v) => setTab(v as Tab)} className={s.whole}>
			<header className={s.head}>
				<div className={s.headTop}>
					<Badge tone={toneOf(row)}>{statusText(row)}</Badge>
					<h2>{title}</h2>
					<span className={s.via}>{named ? `${row.model} · ` : ''}{row.provider}</span>
					<span style={{ flex: 1 }} />
					{onStep && <><Button look="ghost" small icon="left" label={t('inference.previous')} onClick={() => onStep(-1)} /><Button look="ghost" small icon="right" label={t('inference.next')} onClick={() => onStep(1)} /></>}
					{!alone && <Link href={`/logs/${row.id}`} className={join(css.button, css.ghost, css.small)} title={t('inference.asPage')} aria-label={t('inference.asPage')}>⤢</Link>}
					<Button look="ghost" small icon="close" label={t('common.close')} onClick={onClose} />
				</div>
				<div className={s.stats}>
					<Stat name={t('col.time')} value={`${at.day} ${at.time}`} title={full(row.t)} />
					<Stat name={t('col.duration')} value={ms(row.ms)} />
					{row.ttft_ms !== null && <Stat name={t('col.ttft')} value={ms(row.ttft_ms)} />}
					<Stat name={t('col.tokens')} value={`${row.estimated ? '~' : ''}${int(row.in)} / ${int(row.out)}`} />
					<Stat name={t('col.cost')} value={money(row.cost)} />
					{row.attempts > 1 && <Stat name={t('inference.attempts')} value={row.attempts} />}
					<Stat name={t('inference.record')} value={t(detail.record.state === 'journal' ? 'inference.inJournal' : detail.record.sink === 'clickhouse' ? 'inference.inClickHouse' : 'inference.stored')} />
				</div>
				<div className={s.actions}>
					{mayEdit && <Button small look="primary" icon="playground" onClick={replay}>{t('inference.replay')}</Button>}
					<DropdownMenu.Root>
						<DropdownMenu.Trigger asChild><Button small icon="copy">{t('common.copy')}</Button></DropdownMenu.Trigger>
						<DropdownMenu.Portal>
							<DropdownMenu.Content className={css.menu} align="start" sideOffset={5}>
								<DropdownMenu.Item onSelect={() => copy(link())}>{t('copy.link')}<kbd>c</kbd></DropdownMenu.Item>
								<DropdownMenu.Item onSelect={() => copy(row.id)}>{t('copy.id')}</DropdownMenu.Item>
								<DropdownMenu.Item onSelect={() => copy(curlOf(detail, recorded, gateway))}>curl<kbd>C</kbd></DropdownMenu.Item>
								<DropdownMenu.Item onSelect={() => copy(pythonOf(detail, recorded, gateway))}>Python</DropdownMenu.Item>
								<DropdownMenu.Item onSelect={() => copy(json(detail))}>JSON</DropdownMenu.Item>
							</DropdownMenu.Content>
						</DropdownMenu.Portal>
					</DropdownMenu.Root>
					<span className="mono muted cut">{row.id}</span><CopyButton text={row.id} label={t('copy.id')} />
				</div>
				{detail.record.sink === 'clickhouse' && <small className="muted">{t('inference.inClickHouseText')}</small>}
			</header>
			<div className={s.tabsWrap}>
				<Tabs.List className={css.tabs} aria-label={t('inference.title')}>
					{tabs.map((name) => <Tabs.Trigger key={name} value={name}>{t(`tab.${name}` as Key)}{name === 'calls' && detail.attempts.length > 1 && <span className={css.count}>{detail.attempts.length}</span>}</Tabs.Trigger>)}
				</Tabs.List>
			</div>
			<Tabs.Content value={tab} className={s.scroll} tabIndex={0}>
				{tab === 'conversation' && (
					<>
						{detail.error && <div className={s.failure} role="note"><strong>{row.error_kind ?? t('status.error')}</strong><pre>{visible(detail.error)}</pre></div>}
						{!detail.input && row.preview_in ? <MessageCard role="user" content={row.preview_in} results={new Map()} /> : null}
						{!detail.input && row.preview_in ? <p className={s.notice}>{t('inference.onlyPreview')}</p> : <PartView part={detail.input} path={partPath(row.id, 'input')} render={() => (Array.isArray(recordedInput.messages) || recordedInput.system ? <Conversation input={recordedInput as Parameters<typeof Conversation>[0]['input']} /> : <Card><div className={s.attempt}><JsonView value={recorded} /></div></Card>)} />}
						{(detail.output || row.state !== 'error') && <PartView part={detail.output} path={partPath(row.id, 'output')} render={(value) => <Output value={value} />} />}
					</>
				)}
				{tab === 'timing' && <Timing detail={detail} />}
				{tab === 'calls' && <Calls attempts={detail.attempts} />}
				{tab === 'raw' && <Raw detail={detail} />}
				{tab === 'params' && <Params detail={detail} />}
				{tab === 'tags' && <Tags detail={detail} />}
			</Tabs.Content>
		</Tabs.Root>
	);
}

function Raw({ detail }: { detail: Detail }) {
	const t = useT();
	if (!detail.attempts.length) return <p className={s.notice}>{t('inference.noCalls')}</p>;
	return detail.attempts.map((a) => {
		const path = (part: 'raw_request' | 'raw_response') => rawPath(a.model_inference_id ?? detail.row.id, part);
		return (
			<div key={a.n} style={{ display: 'contents' }}>
				<RawText title={`${a.n}. ${a.provider ?? ''} · ${t('inference.rawRequest')}`} part={a.raw_request} path={path('raw_request')} />
				<RawText title={`${a.n}. ${a.provider ?? ''} · ${t('inference.rawResponse')}`} part={a.raw_response} path={path('raw_response')} />
			</div>
		);
	});
}

function Params({ detail }: { detail: Detail }) {
	const t = useT();
	const tools = (detail.tools ?? {}) as { dynamic_tools?: unknown[] };
	const extra = Array.isArray(detail.extra_body) ? detail.extra_body : [];
	return (
		<>
			<Card title={t('tab.params')}>
				{detail.params.length === 0 ? <Empty icon="settings" title={t('inference.noParams')} /> : (
					<div className={css.scrollX} tabIndex={0}><table className={css.list}>
						<thead><tr><th>{t('col.name')}</th><th>{t('col.value')}</th><th>{t('col.from')}</th></tr></thead>
						<tbody>{detail.params.map((p) => <tr key={p.key}><td><code>{p.key}</code></td><td><code>{json(p.value)}</code></td><td className="muted">{p.from}</td></tr>)}</tbody>
					</table></div>
				)}
			</Card>
			{Array.isArray(tools.dynamic_tools) && tools.dynamic_tools.length > 0 && <Card title={t('inference.tools')}><div className={s.attempt}><JsonView value={tools.dynamic_tools.map(parsed)} /></div></Card>}
			{extra.length > 0 && <Card title="extra_body"><div className={s.attempt}><JsonView value={extra} /></div></Card>}
			<p className="muted">{t('frame.config')} <code>{detail.config_hash?.slice(0, 16) ?? dash}</code></p>
		</>
	);
}

function Tags({ detail }: { detail: Detail }) {
	const t = useT();
	const row = detail.row;
	const items: [string, string, string][] = [
		...(row.episode_id ? [['episode', row.episode_id, t('dim.episode')] as [string, string, string]] : []),
		...(row.key ? [['key', row.key, t('dim.key')] as [string, string, string]] : []),
		...(row.surface ? [['surface', row.surface, t('dim.surface')] as [string, string, string]] : []),
		...Object.entries(detail.tags).map(([k, v]): [string, string, string] => [`tag.${k}`, String(v), k]),
	];
	if (!items.length) return <Empty title={t('inference.noTags')} />;
	return (
		<Card>
			<div className={css.scrollX} tabIndex={0}><table className={css.list}><tbody>
				{items.map(([name, value, label]) => <tr key={name}><td className="muted">{label}</td><td><code>{visible(value)}</code></td><td className="num"><Link href={`/logs?${new URLSearchParams({ [name]: value })}`}>{t('inference.onlyThese')}</Link></td></tr>)}
			</tbody></table></div>
		</Card>
	);
}
