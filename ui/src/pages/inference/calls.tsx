// Every attempt: what was called, what it used, how it was signed.
import type { Attempt, Price, Signature } from '../../api/types';
import { useT } from '../../i18n';
import { dash, int, money, visible } from '../../parts/format';
import { Badge, Card, CopyButton, css, Facts } from '../../parts/ui';
import { AttemptTitle } from './timing';
import s from './inference.module.css';

function SignatureFacts({ signature: g }: { signature: Signature }) {
	const t = useT();
	return (
		<div>
			<div className={css.row} style={{ marginBottom: 8 }}><h3>{t('signature.title')}</h3><Badge tone="accent">{int(g.us)} µs</Badge></div>
			<Facts items={[
				[t('signature.signer'), <code>{g.signer}</code>],
				[t('signature.module'), <><code>{g.module_sha256.slice(0, 16)}…</code> <CopyButton text={g.module_sha256} /></>],
				[t('signature.abi'), <code>{g.abi}</code>],
				[t('signature.nonce'), <code>{g.nonce}</code>],
				[t('signature.timestamp'), <code>{g.timestamp}</code>],
				[t('signature.headers'), <code>{(g.headers ?? []).join(', ')}</code>],
				[t('signature.bytes'), int(g.bytes)],
				[t('signature.head'), <code>{g.head}…</code>],
			]} />
		</div>
	);
}

/** The price of each kind of token that there was, dollars a million. */
function priceText(p: Price, a: Attempt): string {
	if (p.from === 'cost') return '';
	const u = a.usage ?? {};
	const kinds: [number, unknown][] = [[p.input, true], [p.output, true], [p.cache_read, u.cache_read_tokens], [p.cache_write, u.cache_write_tokens], [p.cache_write_1h, u.cache_write_1h_tokens], [p.reasoning, u.reasoning_tokens]];
	return kinds.filter(([, used]) => used).map(([n]) => money(n)).join(' / ');
}

function PriceFact({ attempt: a, price: p }: { attempt: Attempt; price: Price }) {
	const t = useT();
	if (p.from === 'cost') return <>{t('inference.priceOwn')}</>;
	return <span title={t('inference.priceKinds')}>{priceText(p, a)} <span className="muted">{t('inference.priceList', { match: visible(p.match), date: p.date })}</span></span>;
}

export function Calls({ attempts }: { attempts: Attempt[] }) {
	const t = useT();
	if (!attempts.length) return <p className={s.notice}>{t('inference.noCalls')}</p>;
	return (
		<>
			{attempts.map((a) => (
				<Card key={a.n} title={<span className={css.row}><AttemptTitle attempt={{ ...a, error: null }} /></span>}>
					<div className={s.attempt}>
						{a.error && <div className={s.failure}><pre>{visible(a.error)}</pre></div>}
						<Facts items={[
							[t('col.model'), a.model ?? dash],
							[t('col.provider'), a.provider ?? dash],
							[t('inference.tokensIn'), int(a.usage?.input_tokens)],
							[t('inference.tokensOut'), int(a.usage?.output_tokens)],
							...(a.usage?.cache_read_tokens ? [[t('inference.cacheRead'), int(a.usage.cache_read_tokens)] as [string, string]] : []),
							...(a.usage?.cache_write_tokens ? [[t('inference.cacheWrite'), int(a.usage.cache_write_tokens)] as [string, string]] : []),
							...(a.usage?.cache_write_1h_tokens ? [[t('inference.cacheWriteHour'), int(a.usage.cache_write_1h_tokens)] as [string, string]] : []),
							...(a.usage?.reasoning_tokens ? [[t('inference.reasoningTokens'), int(a.usage.reasoning_tokens)] as [string, string]] : []),
							[t('col.cost'), money(a.cost)],
							...(a.price ? [[t('inference.price'), <PriceFact attempt={a} price={a.price} />] as [string, React.ReactNode]] : []),
							[t('dim.finish'), a.finish ?? dash],
							...(a.model_inference_id ? [['id', <><code>{a.model_inference_id}</code> <CopyButton text={a.model_inference_id} /></>] as [string, React.ReactNode]] : []),
						]} />
						{a.signature && <SignatureFacts signature={a.signature} />}
					</div>
				</Card>
			))}
		</>
	);
}
