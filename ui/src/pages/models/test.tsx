// One small request to one provider, stage by stage.
import { useEffect, useRef, useState } from 'react';
import { testProvider } from '../../api/routes';
import { events } from '../../api/http';
import type { TestEvent } from '../../api/types';
import { useT } from '../../i18n';
import { int, money, ms, visible } from '../../parts/format';
import { Badge, Button, css, Dialog, Dot, ErrorBox, Field } from '../../parts/ui';
import s from './models.module.css';

export function TestDialog({ model, provider, onClose }: { model: string; provider: string; onClose: () => void }) {
	const t = useT();
	const [prompt, setPrompt] = useState('');
	const [stages, setStages] = useState<TestEvent[]>([]);
	const [end, setEnd] = useState<TestEvent | null>(null);
	const [error, setError] = useState<unknown>(null);
	const [running, setRunning] = useState(false);
	const stop = useRef<AbortController | null>(null);
	useEffect(() => () => stop.current?.abort(), []);
	const run = async () => {
		stop.current = new AbortController();
		setStages([]);
		setEnd(null);
		setError(null);
		setRunning(true);
		try {
			for await (const e of events(await testProvider(model, provider, prompt, stop.current.signal))) {
				const data = JSON.parse(e.data) as TestEvent;
				if (data.stage) setStages((old) => [...old, data]);
				else setEnd(data);
			}
		} catch (e) {
			if (!stop.current.signal.aborted) setError(e);
		}
		setRunning(false);
	};
	return (
		<Dialog open onClose={onClose} title={t('models.testTitle', { name: `${model} / ${provider}` })} text={t('models.testText')}>
			<form onSubmit={(e) => { e.preventDefault(); void run(); }} style={{ display: 'grid', gap: 12 }}>
				<Field label={t('models.prompt')}><input className={css.input} value={prompt} placeholder={t('models.promptHint')} onChange={(e) => setPrompt(e.target.value)} /></Field>
				{(stages.length > 0 || running) && <div className={s.stages} role="status">{stages.map((x, i) => <div key={i} className={s.stage}><Dot tone="ok" /><span>{x.stage}</span><span>{ms(x.ms)}</span></div>)}</div>}
				{end && (
					<div style={{ display: 'grid', gap: 8 }}>
						<span className={css.row}><Badge tone={end.ok ? 'ok' : 'bad'}>{end.http_status ?? (end.ok ? t('status.ok') : t('status.error'))}</Badge>{end.usage && <span className="muted">{int(end.usage.input_tokens)} / {int(end.usage.output_tokens)}</span>}<span className="muted">{money(end.cost)}</span></span>
						<div className={s.answer}>{visible(end.error ?? end.text ?? '')}</div>
					</div>
				)}
				{error ? <ErrorBox error={error} /> : null}
				<div className={css.dialogEnd}><Button onClick={onClose}>{t('common.close')}</Button><Button look="primary" type="submit" disabled={running}>{t(running ? 'models.testing' : 'models.testNow')}</Button></div>
			</form>
		</Dialog>
	);
}
