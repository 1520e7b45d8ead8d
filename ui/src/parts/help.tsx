import { useT, type Key } from '../i18n';
import type { Place } from './frame';
import { keysOn, setTaste, useTaste } from './taste';
import { Button, css, Dialog } from './ui';

const own: [string, Key][] = [
	['/', 'help.search'], ['t', 'help.range'], ['j k', 'help.rows'], ['Enter', 'help.open'], ['[ ]', 'help.next'], ['1-6', 'help.tabs'], ['e', 'help.errors'],
	['x', 'help.clear'], ['l', 'help.live'], ['f', 'help.filter'], ['c', 'help.link'], ['C', 'help.curl'], ['p', 'help.replay'], ['Esc', 'help.close'], ['?', 'help.title'],
];

export function Help({ open, onClose, places }: { open: boolean; onClose: () => void; places: Place[] }) {
	const t = useT();
	useTaste();
	const rows: [string, string][] = [...places.map((p): [string, string] => [`g ${p.letter}`, t(p.key)]), ...own.map(([k, key]): [string, string] => [k, t(key)])];
	return (
		<Dialog open={open} onClose={onClose} title={t('help.title')}>
			<div style={{ columns: '220px 2', columnGap: 28 }}>
				{rows.map(([k, text]) => <div key={k} style={{ display: 'flex', padding: '3px 0', breakInside: 'avoid' }}>{text}<kbd className={css.kbd}>{k}</kbd></div>)}
			</div>
			<label className={css.row}><input type="checkbox" checked={keysOn()} onChange={(e) => setTaste('keys', e.target.checked ? 'on' : 'off')} />{t('help.single')}</label>
			<div className={css.dialogEnd}><Button look="primary" onClick={onClose}>{t('common.close')}</Button></div>
		</Dialog>
	);
}
