// API keys. A new one is in its dialog only: never in a URL, in the browser's storage or in a later answer.
import { useState } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';
import { changeKey, createKey, getKeys, rotateKey } from '../../api/routes';
import type { KeyInfo } from '../../api/types';
import { useT, type Key } from '../../i18n';
import { age, dash, full, money, short, visible } from '../../parts/format';
import { useKeys } from '../../parts/keys';
import { Badge, Button, Card, Code, Confirm, css, Dialog, Empty, ErrorBox, Field, Select, Skeleton, useTitle, type Tone } from '../../parts/ui';

const unusedDays = 90;

function stateOf(k: KeyInfo): { key: Key; tone: Tone } {
	if (k.disabled_at) return { key: 'keys.disabled', tone: 'bad' };
	if (k.expires_at && new Date(k.expires_at).getTime() < Date.now()) return { key: 'keys.expired', tone: 'warn' };
	return { key: 'keys.on', tone: 'ok' };
}

const unused = (k: KeyInfo) => !k.disabled_at && Date.now() - new Date(k.last_used_at ?? k.created_at).getTime() > unusedDays * 86400000;

export function KeysPage() {
	const t = useT();
	useTitle('nav.keys');
	const client = useQueryClient();
	const { data, error, refetch } = useQuery({ queryKey: ['keys'], queryFn: ({ signal }) => getKeys(signal), refetchInterval: 15000 });
	const enforced = data?.enforced ?? true;
	const [creating, setCreating] = useState(false);
	const [stopping, setStopping] = useState<KeyInfo | null>(null);
	const [turning, setTurning] = useState<KeyInfo | null>(null);
	const [secret, setSecret] = useState<{ public_id: string; key: string } | null>(null);
	const again = () => client.invalidateQueries({ queryKey: ['keys'] });
	const change = useMutation({ mutationFn: ({ id, disabled }: { id: string; disabled: boolean }) => changeKey(id, { disabled }), onSuccess: again });
	const rotate = useMutation({ mutationFn: rotateKey, gcTime: 0, onSuccess: (made) => { setSecret(made); void again(); } });
	useKeys({ n: () => setCreating(true) });
	return (
		<div className={css.page}>
			{(change.error || rotate.error) && <ErrorBox error={change.error ?? rotate.error} />}
			<Card title={t('nav.keys')} actions={<>{data && !enforced && <Badge tone="warn">{t('keys.notEnforced')}</Badge>}<Button look="primary" small icon="plus" onClick={() => setCreating(true)}>{t('keys.create')}</Button></>}>
				{error ? <div style={{ padding: 14 }}><ErrorBox error={error} retry={refetch} /></div> : !data ? <div style={{ padding: 14 }}><Skeleton height={160} /></div> : !data.keys.length ? (
					<Empty icon="keys" title={t('keys.none')}><p>{t('keys.noneText')}</p>{!enforced && <Code text={'[gateway.auth]\nenabled = true'} />}</Empty>
				) : (
					<div className={css.scrollX} tabIndex={0}><table className={css.list}>
						<thead><tr><th>{t('keys.id')}</th><th>{t('keys.description')}</th><th>{t('keys.role')}</th><th>{t('keys.created')}</th><th className="num">{t('keys.use')}</th><th>{t('keys.last')}</th><th>{t('col.state')}</th><th><span className="sr">{t('keys.actions')}</span></th></tr></thead>
						<tbody>{data.keys.map((k) => {
							const state = stateOf(k);
							return (
								<tr key={k.public_id} className={k.disabled_at ? 'muted' : undefined}>
									<td><Link href={`/logs?key=${encodeURIComponent(k.public_id)}`}><code>{k.public_id}</code></Link></td>
									<td>{visible(k.description ?? '') || dash}</td>
									<td>{k.role && k.role !== 'none' ? <Badge>{t(`role.${k.role}` as Key)}</Badge> : dash}</td>
									<td title={full(k.created_at)}>{t('common.ago', { time: age(k.created_at) })}</td>
									<td className="num">{k.use_30d ? <>{short(k.use_30d.n)} <span className="muted">{money(k.use_30d.cost)}</span></> : dash}</td>
									<td title={k.last_used_at ? full(k.last_used_at) : undefined}>{k.last_used_at ? t('common.ago', { time: age(k.last_used_at) }) : t('keys.never')} {unused(k) && <Badge tone="warn">{t('keys.unused', { n: unusedDays })}</Badge>}</td>
									<td><Badge tone={state.tone}>{t(state.key)}</Badge>{k.expires_at && !k.disabled_at && <div className="muted" style={{ fontSize: 12 }} title={full(k.expires_at)}>{t('keys.until', { day: k.expires_at.slice(0, 10) })}</div>}</td>
									<td className="num"><span className={css.row} style={{ justifyContent: 'flex-end', flexWrap: 'nowrap' }}>
										{!k.disabled_at && <Button small onClick={() => setTurning(k)}>{t('keys.rotate')}</Button>}
										{k.disabled_at ? <Button small onClick={() => change.mutate({ id: k.public_id, disabled: false })}>{t('keys.enable')}</Button> : <Button small look="danger" onClick={() => setStopping(k)}>{t('keys.disable')}</Button>}
									</span></td>
								</tr>
							);
						})}</tbody>
					</table></div>
				)}
			</Card>
			{creating && <Create onClose={() => setCreating(false)} onMade={(made) => { setCreating(false); setSecret(made); void again(); }} />}
			<Confirm open={stopping !== null} danger title={t('keys.disableTitle', { id: stopping?.public_id ?? '' })} text={t('keys.disableText')} yes={t('keys.disable')} onClose={() => setStopping(null)} onYes={() => { change.mutate({ id: stopping!.public_id, disabled: true }); setStopping(null); }} />
			<Confirm open={turning !== null} title={t('keys.rotateTitle', { id: turning?.public_id ?? '' })} text={t('keys.rotateText')} yes={t('keys.rotate')} onClose={() => setTurning(null)} onYes={() => { rotate.mutate(turning!.public_id); setTurning(null); }} />
			{secret && <Secret made={secret} onClose={() => { setSecret(null); rotate.reset(); }} />}
		</div>
	);
}

function Create({ onClose, onMade }: { onClose: () => void; onMade: (made: { public_id: string; key: string }) => void }) {
	const t = useT();
	const [description, setDescription] = useState('');
	const [expires, setExpires] = useState('');
	const [role, setRole] = useState('none');
	const make = useMutation({ gcTime: 0, mutationFn: () => createKey({ description, expires_at: expires ? new Date(expires).toISOString() : undefined, role: role === 'none' ? undefined : role }), onSuccess: onMade });
	return (
		<Dialog open onClose={onClose} title={t('keys.createTitle')}>
			<form style={{ display: 'grid', gap: 13 }} onSubmit={(e) => { e.preventDefault(); make.mutate(); }}>
				<Field label={t('keys.description')}><input className={css.input} value={description} maxLength={255} autoFocus placeholder={t('keys.descriptionHint')} onChange={(e) => setDescription(e.target.value)} /></Field>
				<Field label={t('keys.expires')} hint={t('keys.expiresHint')}><input className={css.input} type="datetime-local" value={expires} onChange={(e) => setExpires(e.target.value)} /></Field>
				<div className={css.field}><span>{t('keys.role')}</span><Select label={t('keys.role')} value={role} onChange={setRole} options={(['none', 'viewer', 'editor', 'admin'] as const).map((r) => ({ value: r, text: t(`role.${r}` as Key) }))} /><small>{t('keys.roleHint')}</small></div>
				{make.error && <ErrorBox error={make.error} />}
				<div className={css.dialogEnd}><Button onClick={onClose}>{t('common.cancel')}</Button><Button look="primary" type="submit" disabled={make.isPending}>{t('keys.create')}</Button></div>
			</form>
		</Dialog>
	);
}

function Secret({ made, onClose }: { made: { public_id: string; key: string }; onClose: () => void }) {
	const t = useT();
	const [shown, show] = useState(false);
	return (
		<Dialog open onClose={() => undefined} title={t('keys.madeTitle', { id: made.public_id })} text={t('keys.madeText')}>
			<Code text={shown ? made.key : `sk-t0-${made.public_id}-${'•'.repeat(12)}`} />
			<div className={css.dialogEnd}>
				{!shown && <Button onClick={() => show(true)}>{t('keys.show')}</Button>}
				<CopySecret text={made.key} />
				<Button look="primary" onClick={onClose}>{t('keys.stored')}</Button>
			</div>
		</Dialog>
	);
}

function CopySecret({ text }: { text: string }) {
	const t = useT();
	const [said, say] = useState<Key>('common.copy');
	return <Button icon="copy" onClick={() => navigator.clipboard.writeText(text).then(() => say('common.copied'), () => say('common.copyRefused'))}>{t(said)}</Button>;
}
