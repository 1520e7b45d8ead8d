// When nothing was recorded: the first request, ready to be pasted.
import { useQuery } from '@tanstack/react-query';
import { getModels } from '../../api/routes';
import { gatewayUrl } from '../../api/http';
import { useT } from '../../i18n';
import { useSession } from '../../parts/session';
import { Button, Code, Empty } from '../../parts/ui';

export function NothingYet({ ranged, onWiden }: { ranged: boolean; onWiden: () => void }) {
	const t = useT();
	const session = useSession();
	const { data } = useQuery({ queryKey: ['models'], queryFn: ({ signal }) => getModels(signal), retry: false });
	const model = data?.models[0]?.name ?? 'openai::gpt-4o-mini';
	const curl = `curl ${gatewayUrl(session.public_url)}/v1/chat/completions \\\n  -H "Content-Type: application/json" \\\n  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello, world!"}]}'`;
	return (
		<Empty icon="inbox" title={t(ranged ? 'nothing.inRange' : 'nothing.ever')}>
			<p>{t('nothing.text')}</p>
			<Code text={curl} />
			{ranged && <Button icon="clock" onClick={onWiden}>{t('nothing.widen')}</Button>}
		</Empty>
	);
}
