// Which page a path is, and who may see it. A page whose part this gateway has not is absent.
import { lazy, Suspense, useEffect, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Redirect, Route, Router, Switch, useLocation } from 'wouter';
import { getSession } from './api/routes';
import { ApiError, onTransport, routerBase, setCsrf } from './api/http';
import type { Session } from './api/types';
import { useT } from './i18n';
import { Frame, type Place } from './parts/frame';
import { SessionContext, useMay } from './parts/session';
import { Button, css, Empty, ErrorBox, Skeleton } from './parts/ui';
import { Login } from './pages/login';
import { OverviewPage } from './pages/overview';
import { LogsPage } from './pages/logs';
import { InferencePage } from './pages/inference';

const ModelsPage = lazy(() => import('./pages/models').then((m) => ({ default: m.ModelsPage })));
const PlaygroundPage = lazy(() => import('./pages/playground').then((m) => ({ default: m.PlaygroundPage })));
const KeysPage = lazy(() => import('./pages/keys').then((m) => ({ default: m.KeysPage })));
const SignersPage = lazy(() => import('./pages/signers').then((m) => ({ default: m.SignersPage })));
const SettingsPage = lazy(() => import('./pages/settings').then((m) => ({ default: m.SettingsPage })));

export function App() {
	return <Router base={routerBase}><Door /></Router>;
}

/** No page is seen before it is known who asks. */
function Door() {
	const t = useT();
	const client = useQueryClient();
	const [expired, setExpired] = useState(false);
	const [location, go] = useLocation();
	const { data: session, error, isPending, refetch } = useQuery({ queryKey: ['session'], queryFn: getSession, retry: false, staleTime: Infinity });
	if (session) setCsrf(session.csrf ?? '');
	useEffect(() => onTransport((e) => { if (e === 'unauthorized') setExpired(true); }), []);
	const entered = async () => {
		await refetch();
		setExpired(false);
		await client.invalidateQueries({ predicate: (q) => q.queryKey[0] !== 'session' });
		if (location === '/login') go('/', { replace: true });
	};
	if (error instanceof ApiError && error.status === 401) return <Login {...waysOf(error)} onDone={entered} />;
	if (error instanceof ApiError && error.status === 404) return <main className={css.page} style={{ margin: '8vh auto' }}><Empty icon="alert" title={t('foreign.title')}><p>{t('foreign.text')}</p></Empty></main>;
	if (error) return <main className={css.page} style={{ margin: '8vh auto', maxWidth: 620 }}><ErrorBox error={error} retry={refetch} /></main>;
	if (isPending) return <main className={css.page}><Skeleton height={44} /><Skeleton height={320} /></main>;
	return (
		<SessionContext.Provider value={session}>
			<Pages session={session} />
			{expired && <Expired onDone={entered} />}
		</SessionContext.Provider>
	);
}

function waysOf(error: unknown): { methods: string[]; needsUser: boolean } {
	const body = (error instanceof ApiError ? error.body : null) as { login?: unknown; needs_user?: boolean } | null;
	return { methods: Array.isArray(body?.login) ? body.login.map(String) : [], needsUser: body?.needs_user ?? false };
}

/** Over the page, which stays: what it takes to sign in, the gateway says anew. */
function Expired({ onDone }: { onDone: () => void }) {
	const { error, isSuccess } = useQuery({ queryKey: ['session', 'ways'], queryFn: getSession, retry: false, gcTime: 0 });
	useEffect(() => { if (isSuccess) onDone(); }, [isSuccess, onDone]);
	return error ? <Login {...waysOf(error)} onDone={onDone} over /> : null;
}

function Pages({ session }: { session: Session }) {
	const t = useT();
	const [, go] = useLocation();
	const admin = useMay('admin'), editor = useMay('editor');
	const has = (feature: string) => session.features.includes(feature);
	const places: Place[] = [
		{ path: '/', key: 'nav.overview', icon: 'overview', letter: 'o', ranged: true },
		{ path: '/logs', key: 'nav.logs', icon: 'logs', letter: 'l', ranged: true },
		{ path: '/models', key: 'nav.models', icon: 'models', letter: 'm' },
		...(editor ? [{ path: '/playground', key: 'nav.playground', icon: 'playground', letter: 'p' } as Place] : []),
		...(admin && has('keys') ? [{ path: '/keys', key: 'nav.keys', icon: 'keys', letter: 'k' } as Place] : []),
		{ path: '/signers', key: 'nav.signers', icon: 'signers', letter: 's' },
		{ path: '/settings', key: 'nav.settings', icon: 'settings', letter: ',' },
	];
	return (
		<Frame places={places}>
			<Suspense fallback={<div className={css.page}><Skeleton height={320} /></div>}>
				<Switch>
					<Route path="/"><OverviewPage /></Route>
					<Route path="/logs"><LogsPage /></Route>
					<Route path="/logs/:id">{(p) => <InferencePage id={decodeURIComponent(p.id)} />}</Route>
					<Route path="/models/:m?"><ModelsPage /></Route>
					{editor && <Route path="/playground"><PlaygroundPage /></Route>}
					{admin && has('keys') && <Route path="/keys"><KeysPage /></Route>}
					<Route path="/signers"><SignersPage /></Route>
					<Route path="/settings"><SettingsPage /></Route>
					<Route path="/login"><Redirect to="/" replace /></Route>
					<Route><Empty icon="search" title={t('unknown.title')}><p>{t('unknown.text')}</p><Button onClick={() => go('/')}>{t('nav.overview')}</Button></Empty></Route>
				</Switch>
			</Suspense>
		</Frame>
	);
}
