// Playground: one prompt, up to four models side by side.
import { useEffect, useMemo, useRef, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { getInference, getModels, getPart, partPath } from '../../api/routes';
import { useT } from '../../i18n';
import { int, ms, parsed, visible } from '../../parts/format';
import { useKeys } from '../../parts/keys';
import { useQueryString } from '../../parts/query';
import { Badge, Button, Card, CopyButton, css, Empty, Field, join, useTitle } from '../../parts/ui';
import { requestOf } from '../inference/again';
import { useRun, type Ask, type Run } from './run';
import s from './playground.module.css';

const MOST = 4, URL_TEXT = 8192;

export function PlaygroundPage() {
	const t = useT();
	useTitle('nav.playground');
	const [params, set] = useQueryString();
	const { data } = useQuery({ queryKey: ['models'], queryFn: ({ signal }) => getModels(signal), retry: false });
	const names = useMemo(() => [...(data?.models.map((m) => m.name) ?? []), ...(data?.discovered.flatMap((d) => d.items.filter((i) => i.usable).map((i) => i.displayName)) ?? [])], [data]);
	const chosen = params.getAll('model');
	const columns = chosen.length ? chosen.slice(0, MOST) : names.slice(0, 1);
	const [ask, setAsk] = useState<Ask>({ system: params.get('system') ?? '', user: params.get('prompt') ?? '', temperature: params.get('temperature') ?? '', maxTokens: params.get('max_tokens') ?? '', store: params.get('store') !== '0' });
	const [history, setHistory] = useState<Ask['messages']>([]);
	const [runs, setRuns] = useState(0);
	const [stops, setStops] = useState(0);
	const [busy, setBusy] = useState<Record<number, boolean>>({});
	const running = Object.values(busy).some(Boolean);
	useReplay(params.get('from'), (found) => {
		setAsk((old) => ({ ...old, ...found.ask }));
		setHistory(found.history);
		if (found.model && !chosen.length) set({ model: [found.model] }, true);
	});
	const runAll = () => {
		if (!columns.length || (!ask.user && !history?.length)) return;
		const short = ask.system.length + ask.user.length < URL_TEXT;
		set({ prompt: short ? ask.user || null : null, system: short ? ask.system || null : null, temperature: ask.temperature || null, max_tokens: ask.maxTokens || null, store: ask.store ? null : '0', model: columns }, true);
		setRuns((n) => n + 1);
	};
	const change = (i: number, name: string | null) => set({ model: name === null ? columns.filter((_, k) => k !== i) : columns.map((c, k) => (k === i ? name : c)) }, true);
	useKeys({ 'Mod+Enter': runAll, Escape: () => running && setStops((n) => n + 1) });
	const text = (name: 'system' | 'user', label: string, hint: string, rows: number) => (
		<Field label={label}><textarea className={css.input} rows={rows} value={ask[name]} placeholder={hint} onChange={(e) => setAsk({ ...ask, [name]: e.target.value })} /></Field>
	);
	return (
		<div className={s.page}>
			<form className={s.prompt} onSubmit={(e) => { e.preventDefault(); runAll(); }}>
				<div className={s.inputs}>{text('system', t('role.system'), t('playground.systemHint'), 3)}{text('user', t('role.user'), t('playground.userHint'), 3)}</div>
				<div className={s.controls}>
					{history && history.length > 0 && <span className={join(css.badge, css.info)}>{t('playground.history', { n: history.length })}<button type="button" className={join(css.button, css.ghost, css.small)} onClick={() => setHistory([])} aria-label={t('playground.dropHistory')}>×</button></span>}
					<label className={css.row}>{t('playground.temperature')}<input className={join(css.input, s.number)} type="number" step="0.1" min="0" max="2" value={ask.temperature} onChange={(e) => setAsk({ ...ask, temperature: e.target.value })} /></label>
					<label className={css.row}>{t('playground.maxTokens')}<input className={join(css.input, s.number)} type="number" min="1" value={ask.maxTokens} onChange={(e) => setAsk({ ...ask, maxTokens: e.target.value })} /></label>
					<label className={css.row} title={t('playground.storeText')}><input type="checkbox" checked={ask.store} onChange={(e) => setAsk({ ...ask, store: e.target.checked })} />{t('playground.store')}</label>
					<span style={{ flex: 1 }} />
					{columns.length < MOST && <Button icon="plus" onClick={() => set({ model: [...columns, names.find((n) => !columns.includes(n)) ?? names[0] ?? ''] }, true)}>{t('playground.add')}</Button>}
					{running ? <Button look="danger" icon="stop" onClick={() => setStops((n) => n + 1)}>{t('playground.stop')}</Button> : <Button look="primary" icon="playground" type="submit" disabled={!columns.length || (!ask.user && !history?.length)}>{t('playground.run')}<kbd className={css.kbd} style={{ marginLeft: 4 }}>Ctrl ⏎</kbd></Button>}
				</div>
				<datalist id="models">{names.map((n) => <option key={n} value={n} />)}</datalist>
			</form>
			{columns.length ? <div className={s.columns}>{columns.map((model, i) => (
				<Column key={i} model={model} ask={{ ...ask, messages: history }} runs={runs} stops={stops} alone={columns.length === 1} onModel={(m) => change(i, m)} onDrop={() => change(i, null)} onBusy={(b) => setBusy((old) => (old[i] === b ? old : { ...old, [i]: b }))} />
			))}</div> : <Empty icon="models" title={t('models.none')}><p>{t('playground.noModel')}</p></Empty>}
		</div>
	);
}

/** A recorded inference, taken apart into the prompt's fields. */
function useReplay(id: string | null, onFound: (found: { ask: Partial<Ask>; history: Ask['messages']; model: string | null }) => void): void {
	const done = useRef<string | null>(null);
	useEffect(() => {
		if (!id || done.current === id) return;
		done.current = id;
		void (async () => {
			const detail = await getInference(id);
			const input = detail.input?.inline ?? parsed(detail.input ? await getPart(partPath(id, 'input'), 0, detail.input.bytes) : '{}');
			const request = requestOf(detail, input);
			const messages = (request.messages as { role: string; content: unknown }[]).filter((m) => typeof m.content === 'string') as { role: string; content: string }[];
			const system = messages.find((m) => m.role === 'system')?.content ?? '';
			const rest = messages.filter((m) => m.role === 'user' || m.role === 'assistant');
			const last = rest.at(-1)?.role === 'user' ? rest.pop() : undefined;
			onFound({ ask: { system, user: last?.content ?? '', temperature: request.temperature === undefined ? '' : String(request.temperature), maxTokens: request.max_tokens === undefined ? '' : String(request.max_tokens) }, history: rest, model: detail.row.model });
		})().catch(() => undefined);
	}, [id, onFound]);
}

function Column({ model, ask, runs, stops, alone, onModel, onDrop, onBusy }: { model: string; ask: Ask; runs: number; stops: number; alone: boolean; onModel: (m: string) => void; onDrop: () => void; onBusy: (b: boolean) => void }) {
	const t = useT();
	const { run, start, stop } = useRun();
	const latest = useRef({ model, ask });
	latest.current = { model, ask };
	const seen = useRef(runs);
	useEffect(() => { if (runs !== seen.current) { seen.current = runs; void start(latest.current.model, latest.current.ask); } }, [runs, start]);
	useEffect(() => { if (stops) stop(); }, [stops, stop]);
	useEffect(() => () => stop(), [stop]);
	useEffect(() => onBusy(run.state === 'running'), [run.state, onBusy]);
	return (
		<Card className={s.column}>
			<div className={s.columnHead}>
				<input className={css.input} list="models" aria-label={t('col.model')} value={model} onChange={(e) => onModel(e.target.value)} />
				{run.text && <CopyButton text={run.text} />}
				{!alone && <Button look="ghost" small icon="close" label={t('playground.drop')} onClick={onDrop} />}
			</div>
			<div className={s.out} tabIndex={0} aria-label={t('playground.answerOf', { model })} aria-busy={run.state === 'running'}><Answer run={run} /></div>
			<div className={s.columnFoot} role="status">
				{run.state === 'idle' ? <span className="muted">{t('playground.idle')}</span> : (
					<>
						{run.state === 'failed' && <Badge tone="bad">{t('status.error')}</Badge>}
						{run.state === 'stopped' && <Badge tone="warn">{t('playground.stopped')}</Badge>}
						<span title={t('col.duration')}>{ms(run.ms)}</span>{run.ttft !== null && <span title={t('col.ttft')}>{t('playground.first', { time: ms(run.ttft) })}</span>}
						{run.out !== null && <span title={t('col.tokens')}>{int(run.in)} / {int(run.out)}</span>}
						{run.provider && <span className="muted">{run.provider}</span>}
						{run.inference && ask.store && run.state !== 'running' && <Link href={`/logs/${run.inference}`} style={{ marginLeft: 'auto' }}>{t('playground.inLogs')}</Link>}
					</>
				)}
			</div>
		</Card>
	);
}

function Answer({ run }: { run: Run }) {
	const t = useT();
	if (run.state === 'idle') return <span className={s.hint}>{t('playground.empty')}</span>;
	return (
		<>
			{run.thought && <p className={s.thinking}>{visible(run.thought)}</p>}
			<p className={run.state === 'running' ? s.caret : undefined}>{visible(run.text)}</p>
			{run.tools.map((tool, i) => <pre key={i} className={css.code} style={{ padding: 10, whiteSpace: 'pre-wrap' }}>{visible(`${tool.name}(${tool.args})`)}</pre>)}
			{run.error && <p className={s.failed}>{visible(run.error)}</p>}
		</>
	);
}
