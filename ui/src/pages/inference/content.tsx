// Blocks of a conversation as the record keeps them. All of it is text of strangers: never markup.
import { useMemo, useState, type ReactNode } from 'react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getPart } from '../../api/routes';
import { urlOf } from '../../api/http';
import type { Part } from '../../api/types';
import { useT, type Key } from '../../i18n';
import { bytes, json, parsed, visible } from '../../parts/format';
import { Button, CopyButton, css, ErrorBox, join, Skeleton } from '../../parts/ui';
import s from './inference.module.css';

const PIECE = 262144, SHOWN = 20000;

type Block = { type?: string; [name: string]: unknown };
const blocksOf = (content: unknown): Block[] =>
	typeof content === 'string' ? [{ type: 'text', text: content }] : Array.isArray(content) ? (content as Block[]) : content && typeof content === 'object' ? [content as Block] : [];

/** JSON in colour, cut where it would slow the page down. */
export function JsonView({ value }: { value: unknown }) {
	const t = useT();
	const [all, showAll] = useState(false);
	const text = useMemo(() => visible(json(value) ?? 'null'), [value]);
	const shown = all ? text.slice(0, PIECE) : text.slice(0, SHOWN);
	const nodes = useMemo(() => {
		if (shown.length > 60000) return shown;
		const out: ReactNode[] = [];
		const pattern = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\b/g;
		let last = 0, i = 0;
		for (let m = pattern.exec(shown); m; m = pattern.exec(shown)) {
			out.push(shown.slice(last, m.index));
			out.push(<span key={i++} className={m[1] ? (m[2] ? s.key : s.str) : s.lit}>{m[1] ?? m[3]}</span>);
			if (m[2]) out.push(m[2]);
			last = m.index + m[0].length;
		}
		out.push(shown.slice(last));
		return out;
	}, [shown]);
	return <><pre className={s.json} tabIndex={0}>{nodes}</pre>{text.length > shown.length && !all && <Button small onClick={() => showAll(true)}>{t('inference.showAll', { size: bytes(text.length) })}</Button>}</>;
}

function LongText({ text }: { text: string }) {
	const t = useT();
	const [n, set] = useState(SHOWN);
	return <><p className={s.text}>{visible(text.slice(0, n))}</p>{text.length > n && <Button small onClick={() => set(n + PIECE)}>{t('inference.showMore', { size: bytes(text.length - n) })}</Button>}</>;
}

function Tool({ block, results }: { block: Block; results: Map<string, Block> }) {
	const t = useT();
	const result = results.get(String(block.id ?? ''));
	return (
		<div className={s.tool}>
			<header>{t('inference.tool')} <code>{visible(String(block.name ?? block.raw_name ?? ''))}</code><span className="muted mono">{String(block.id ?? '')}</span></header>
			<JsonView value={parsed(block.arguments ?? block.raw_arguments ?? '')} />
			{result && <div className={s.result}><header>{t('inference.toolResult')}</header><JsonView value={parsed(result.result ?? result.content ?? '')} /></div>}
		</div>
	);
}

function FileBlock({ block }: { block: Block }) {
	const t = useT();
	const file = (block.file ?? block) as Record<string, unknown>;
	const data = typeof file.data === 'string' ? file.data : '', type = String(file.mime_type ?? '');
	const [shown, show] = useState(false);
	const small = data && /^image\/(png|jpeg|gif|webp)$/.test(type);
	return (
		<div className={s.notice}>
			{t('inference.file')} {type} {data ? bytes(Math.floor(data.length * 0.75)) : visible(String(file.url ?? file.source_url ?? file.filename ?? ''))}{' '}
			{small && !shown && <Button small onClick={() => show(true)}>{t('inference.showFile')}</Button>}
			{small && shown && <img src={`data:${type};base64,${data}`} alt={t('inference.file')} style={{ maxWidth: '100%', maxHeight: 400, display: 'block', marginTop: 8 }} />}
		</div>
	);
}

export function BlockView({ block, results }: { block: Block; results: Map<string, Block> }) {
	const t = useT();
	switch (block.type) {
		case 'text':
		case 'raw_text':
			return <LongText text={String(block.text ?? block.value ?? json(block.arguments ?? ''))} />;
		case 'tool_call':
			return <Tool block={block} results={results} />;
		case 'tool_result':
			return results.get(String(block.id ?? '')) === block && block.joined ? null : <div className={s.tool}><header>{t('inference.toolResult')} <code>{visible(String(block.name ?? ''))}</code></header><JsonView value={parsed(block.result ?? '')} /></div>;
		case 'thought':
			return (
				<details className={s.fold}>
					<summary>{t('inference.thought')}{typeof block.signature === 'string' ? ` · ${t('inference.thoughtSigned', { n: block.signature.length })}` : ''}</summary>
					<div><LongText text={String(block.text ?? json(block.summary ?? ''))} /></div>
				</details>
			);
		case 'file':
		case 'image':
			return <FileBlock block={block} />;
		default:
			return <JsonView value={block} />;
	}
}

export function MessageCard({ role, content, results, answer }: { role: string; content: unknown; results: Map<string, Block>; answer?: boolean }) {
	const t = useT();
	const blocks = blocksOf(content);
	const plain = blocks.map((b) => (typeof b.text === 'string' ? b.text : json(b))).join('\n');
	const name = ['system', 'user', 'assistant', 'tool'].includes(role) ? t(`role.${role}` as Key) : role;
	return (
		<article className={join(s.message, answer && s.answer)} data-role={role}>
			<header><span className={s.role}>{name}</span>{answer && <span className="muted">{t('inference.answer')}</span>}<span style={{ flex: 1 }} /><CopyButton text={plain} label={`${t('common.copy')} (${name})`} /></header>
			<div>{blocks.length ? blocks.map((b, i) => <BlockView key={i} block={b} results={results} />) : <span className="muted">{t('inference.emptyContent')}</span>}</div>
		</article>
	);
}

interface Input {
	system?: unknown;
	messages?: { role: string; content: unknown }[];
}

/** Results of tools stand beside their calls. */
export function resultsOf(input: Input): Map<string, Block> {
	const calls = new Set<string>(), results = new Map<string, Block>();
	for (const m of input.messages ?? []) for (const b of blocksOf(m.content)) {
		if (b.type === 'tool_call') calls.add(String(b.id));
		if (b.type === 'tool_result' && calls.has(String(b.id))) results.set(String(b.id), { ...b, joined: true });
	}
	return results;
}

export function Conversation({ input }: { input: Input }) {
	const results = resultsOf(input);
	const shown = (content: unknown) => blocksOf(content).filter((b) => !(b.type === 'tool_result' && results.has(String(b.id))));
	return (
		<>
			{input.system !== undefined && input.system !== null && <MessageCard role="system" content={input.system} results={results} />}
			{(input.messages ?? []).map((m, i) => { const c = shown(m.content); return c.length || !blocksOf(m.content).length ? <MessageCard key={i} role={m.role} content={c} results={results} /> : null; })}
		</>
	);
}

export function Output({ value }: { value: unknown }) {
	const t = useT();
	const v = parsed(value);
	if (Array.isArray(v) || typeof v === 'string') return <MessageCard role="assistant" content={v} results={new Map()} answer />;
	if (v && typeof v === 'object' && 'raw' in v) {
		const o = v as { raw: unknown; parsed: unknown };
		return (
			<article className={join(s.message, s.answer)} data-role="assistant">
				<header><span className={s.role}>{t('role.assistant')}</span><span className="muted">JSON</span>{o.parsed === null && <span className={join(css.badge, css.bad)}>{t('inference.notTheSchema')}</span>}<span style={{ flex: 1 }} /><CopyButton text={String(o.raw)} /></header>
				<div><JsonView value={o.parsed ?? o.raw} /></div>
			</article>
		);
	}
	return <article className={s.message} data-role="assistant"><div><JsonView value={v} /></div></article>;
}

/** A part that may be too large to come with the rest: then its first piece, more on demand, all as a download. */
export function usePart(part: Part | null, path: string) {
	const inline = part !== null && part.inline !== null;
	const { data, error, isPending, refetch } = useQuery({
		queryKey: ['part', path], enabled: part !== null && !inline && part.bytes <= 5_500_000, staleTime: Infinity,
		queryFn: ({ signal }) => getPart(path, 0, part!.bytes, signal),
	});
	return { value: inline ? part.inline : data, error, pending: part !== null && !inline && part.bytes <= 5_500_000 && isPending, large: part !== null && !inline && part.bytes > 5_500_000, refetch };
}

export function PartView({ part, path, render }: { part: Part | null; path: string; render: (value: unknown) => ReactNode }) {
	const t = useT();
	const p = usePart(part, path);
	if (!part) return <p className={s.notice}>{t('inference.notRecorded')}</p>;
	if (p.error) return <ErrorBox error={p.error} retry={p.refetch} />;
	if (p.large) return <RawText title={t('inference.large')} part={part} path={path} />;
	if (p.pending) return <Skeleton height={120} />;
	return <>{part.cut && <p className={s.notice}>{t('inference.cut')}</p>}{render(p.value)}</>;
}

export function RawText({ title, part, path }: { title: string; part: Part | null; path: string }) {
	const t = useT();
	const [pieces, setPieces] = useState(1);
	const [wrap, setWrap] = useState(true);
	const inline = part?.inline;
	const { data, error, isPending } = useQuery({
		queryKey: ['raw', path, pieces], enabled: part !== null && inline == null, placeholderData: keepPreviousData, staleTime: Infinity,
		queryFn: ({ signal }) => getPart(path, 0, pieces * PIECE, signal),
	});
	if (!part) return <p className={s.notice}>{title}: {t('inference.notRecorded')}</p>;
	const whole = inline == null ? (data ?? '') : typeof inline === 'string' ? pretty(inline) : json(inline);
	return (
		<section className={s.raw}>
			<header><h3>{title}</h3><span className="muted">{bytes(part.bytes)}</span><span style={{ flex: 1 }} />
				<Button small look="ghost" aria-pressed={wrap} onClick={() => setWrap(!wrap)}>{t('inference.wrap')}</Button>
				<CopyButton text={whole} /><a className={join(css.button, css.ghost, css.small)} href={`${urlOf(path)}?download=1`} download>{t('inference.download')}</a>
			</header>
			{error ? <ErrorBox error={error} /> : inline == null && isPending ? <Skeleton height={140} /> : <pre data-wrap={wrap} tabIndex={0}>{visible(whole.slice(0, pieces * PIECE))}</pre>}
			{part.bytes > pieces * PIECE && inline == null && <Button small look="ghost" onClick={() => setPieces(pieces + 1)}>{t('inference.showMore', { size: bytes(part.bytes - pieces * PIECE) })}</Button>}
			{part.cut && <p className={s.notice}>{t('inference.cut')}</p>}
		</section>
	);
}

function pretty(text: string): string {
	const v = parsed(text);
	return typeof v === 'object' && v !== null ? JSON.stringify(v, null, 2) : text;
}
