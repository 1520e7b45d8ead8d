// Signers: what each module is, how it does, and a test signature.
import { useState } from 'react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { getSigners, testSigner } from '../../api/routes';
import type { SignerInfo } from '../../api/types';
import { useT } from '../../i18n';
import { bytes, dash, int, visible } from '../../parts/format';
import { useMay } from '../../parts/session';
import { Badge, Button, Card, Code, CopyButton, css, Empty, ErrorBox, Facts, Field, Skeleton, useTitle } from '../../parts/ui';

const us = (n: number | null | undefined) => (n == null ? dash : `${n < 10 ? n.toFixed(1) : int(Math.round(n))} µs`);

export function SignersPage() {
	const t = useT();
	useTitle('nav.signers');
	const { data, error, refetch } = useQuery({ queryKey: ['signers'], queryFn: ({ signal }) => getSigners(signal), refetchInterval: 5000 });
	return (
		<div className={css.page}>
			{error ? <ErrorBox error={error} retry={refetch} /> : !data ? <Skeleton height={240} /> : !data.signers.length ? (
				<Card><Empty icon="signers" title={t('signers.none')}><p>{t('signers.noneText')}</p><Code text={'[models.sonnet.providers.devapi.signer]\npath = "sign.wasm"'} /></Empty></Card>
			) : data.signers.map((g) => <SignerCard key={g.id} signer={g} />)}
		</div>
	);
}

function SignerCard({ signer: g }: { signer: SignerInfo }) {
	const t = useT();
	const mayTest = useMay('admin');
	const failures = g.traps + g.timeouts;
	return (
		<Card title={<span className={css.row}><code style={{ fontSize: 13 }}>{g.id}</code><Badge>{g.abi ?? g.kind}</Badge>{g.pinned ? <Badge tone="ok">{t('signers.pinned')}</Badge> : <Badge tone="warn" title={g.sha256 ? `sha256 = "${g.sha256}"` : undefined}>{t('signers.notPinned')}</Badge>}</span>}>
			<div style={{ padding: '14px 16px', display: 'grid', gap: 18, alignItems: 'start', gridTemplateColumns: 'repeat(auto-fit, minmax(min(320px, 100%), 1fr))' }}>
				<Facts items={[
					[t('signers.module'), <>{g.path ? <code>{visible(g.path)}</code> : dash} {g.bytes !== null && <span className="muted">{bytes(g.bytes)}</span>}</>],
					['SHA-256', g.sha256 ? <><code>{g.sha256.slice(0, 16)}…</code> <CopyButton text={g.pinned ? g.sha256 : `sha256 = "${g.sha256}"`} label={t(g.pinned ? 'common.copy' : 'signers.copyPin')} /></> : dash],
					['ABI', <>{g.abi ?? dash} {g.abi_why && <span className="muted">{g.abi_why}</span>}</>],
					[t('signers.memory'), t('signers.memoryText', { pages: int(g.pages), limit: int(g.limit_mb) })],
					[t('signers.timeout'), `${int(g.timeout_ms)} ms CPU`],
					[t('signers.exports'), <code>{g.exports.length ? g.exports.map((x) => <div key={x}>{x}</div>) : dash}</code>],
					[t('signers.imports'), <code>{g.imports.length ? g.imports.map((x) => <div key={x}>{x}</div>) : dash}</code>],
				]} />
				<Facts items={[
					[t('signers.calls'), int(g.calls)],
					[t('signers.failures'), failures ? <span style={{ color: 'var(--bad)' }}>{t('signers.failuresText', { traps: int(g.traps), timeouts: int(g.timeouts) })}</span> : '0'],
					['p50 / p99', `${us(g.us.p50)} / ${us(g.us.p99)}`],
					[t('signers.longest'), us(g.us.max)],
					[t('signers.pool'), t('signers.poolText', { busy: int(g.pool.busy), size: int(g.pool.size), made: int(g.pool.made), discarded: int(g.pool.discarded) })],
					...(g.last_error ? [[t('signers.lastError'), <span style={{ color: 'var(--bad)' }}>{visible(g.last_error)}</span>] as [string, React.ReactNode]] : []),
					...g.by_size.filter((b) => b.n).map((b): [string, React.ReactNode] => [b.le === null ? t('signers.larger') : `≤ ${bytes(b.le)}`, <>{us(b.us50)} <span className="muted">× {int(b.n)}</span></>]),
				]} />
			</div>
			{mayTest && <Test id={g.id} />}
		</Card>
	);
}

function Test({ id }: { id: string }) {
	const t = useT();
	const [open, setOpen] = useState(false);
	const [content, setContent] = useState('User: Hello, world!');
	const [device, setDevice] = useState('signet-test');
	const [repeat, setRepeat] = useState('100');
	const run = useMutation({ mutationFn: () => testSigner(id, { content, device_id: device || undefined, repeat: Number(repeat) || 1 }) });
	if (!open) return <div style={{ padding: '0 16px 14px' }}><Button small icon="signers" onClick={() => setOpen(true)}>{t('signers.test')}</Button></div>;
	return (
		<form style={{ padding: '14px 16px', borderTop: '1px solid var(--line)', display: 'grid', gap: 12 }} onSubmit={(e) => { e.preventDefault(); run.mutate(); }}>
			<p className="muted">{t('signers.testText')}</p>
			<div style={{ display: 'grid', gap: 12, gridTemplateColumns: 'minmax(0, 3fr) minmax(0, 2fr) minmax(0, 1fr)' }}>
				<Field label={t('signers.content')}><input className={css.input} value={content} onChange={(e) => setContent(e.target.value)} /></Field>
				<Field label={t('signers.device')}><input className={css.input} value={device} onChange={(e) => setDevice(e.target.value)} /></Field>
				<Field label={t('signers.repeat')}><input className={css.input} type="number" min="1" max="1000" value={repeat} onChange={(e) => setRepeat(e.target.value)} /></Field>
			</div>
			<div className={css.row}><Button look="primary" type="submit" disabled={run.isPending}>{t('signers.sign')}</Button></div>
			{run.error && <ErrorBox error={run.error} />}
			{run.data && (
				<div role="status"><Facts items={[
					...Object.entries(run.data.headers).map(([k, v]): [string, React.ReactNode] => [k, <><code>{visible(v)}</code> <CopyButton text={v} /></>]),
					[t('signers.times'), t('signers.timesText', { first: us(run.data.us.first), p50: us(run.data.us.p50), p99: us(run.data.us.p99), pages: run.data.pages })],
				]} /></div>
			)}
		</form>
	);
}
