// Signing in: password, key, or a link that was used once. It may stand over a page, whose view survives.
import { useEffect, useRef, useState } from 'react';
import { signIn } from '../../api/routes';
import { ApiError } from '../../api/http';
import { useT } from '../../i18n';
import { Logo } from '../../parts/icons';
import { Button, css, Field, join, Segments } from '../../parts/ui';
import s from './login.module.css';

export function Login({ methods, needsUser, onDone, over }: { methods: string[]; needsUser: boolean; onDone: () => void; over?: boolean }) {
	const t = useT();
	const [way, setWay] = useState<'password' | 'key'>(methods.includes('password') || !methods.includes('key') ? 'password' : 'key');
	const [user, setUser] = useState('');
	const [secret, setSecret] = useState('');
	const [wrong, setWrong] = useState<string | null>(null);
	const [wait, setWait] = useState(0);
	const [busy, setBusy] = useState(false);
	const tried = useRef(false);
	const enter = async (body: Parameters<typeof signIn>[0]) => {
		setBusy(true);
		setWrong(null);
		try {
			await signIn(body);
			setSecret('');
			onDone();
		} catch (e) {
			const error = e instanceof ApiError ? e : null;
			setWait(error?.status === 429 ? Math.max(1, error.retryAfterS || 1) : 0);
			setWrong(error?.status === 403 ? error.message : error?.status === 401 || error?.status === 429 ? t('link' in body ? 'login.linkUsed' : 'login.wrong') : String(error?.message ?? e));
		}
		setBusy(false);
	};
	useEffect(() => {
		const link = /^#link=([\w-]+)$/.exec(window.location.hash)?.[1];
		if (!link || tried.current) return;
		tried.current = true;
		history.replaceState(null, '', window.location.pathname + window.location.search);
		void enter({ link });
		// eslint-disable-next-line react-hooks/exhaustive-deps
	}, []);
	useEffect(() => {
		if (!wait) return;
		const timer = setTimeout(() => setWait(wait - 1), 1000);
		return () => clearTimeout(timer);
	}, [wait]);
	const form = (
		<form className={join(css.card, s.card)} onSubmit={(e) => { e.preventDefault(); void enter(way === 'key' ? { api_key: secret } : { user: user || undefined, password: secret }); }}>
			<div className={s.brand}><Logo size={34} /><div><h1>{t('login.title')}</h1><p className="muted">{t(over ? 'login.expired' : 'login.text')}</p></div></div>
			{methods.includes('password') && methods.includes('key') && <Segments label={t('login.way')} value={way} onChange={(w) => { setWay(w); setWrong(null); }} options={[{ value: 'password', text: t('login.password') }, { value: 'key', text: t('login.key') }]} />}
			{way === 'password' && methods.includes('password') && (
				<>
					{needsUser && <Field label={t('login.user')}><input className={css.input} name="username" autoComplete="username" required value={user} onChange={(e) => setUser(e.target.value)} /></Field>}
					<Field label={t('login.password')}><input className={css.input} name="password" type="password" autoComplete="current-password" required value={secret} onChange={(e) => setSecret(e.target.value)} /></Field>
				</>
			)}
			{way === 'key' && methods.includes('key') && <Field label={t('login.key')}><input className={css.input} type="password" autoComplete="off" placeholder="sk-t0-…" required value={secret} onChange={(e) => setSecret(e.target.value)} /></Field>}
			{wrong && <p className={s.wrong} role="alert">{wrong}{wait > 0 && ` ${t('login.wait', { seconds: wait })}`}</p>}
			{(methods.includes('password') || methods.includes('key')) && <Button look="primary" type="submit" disabled={busy || wait > 0 || !secret}>{t('login.enter')}</Button>}
			<p className={s.hint}>{t('login.linkHint')} <code>signet ui link</code></p>
		</form>
	);
	return over ? <div className={s.over} role="dialog" aria-modal="true" aria-label={t('login.title')}>{form}</div> : <main className={s.whole}>{form}</main>;
}
