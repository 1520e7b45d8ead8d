// Texts. English comes with the first load, the other language when it is chosen. Keys are those of en.json: tsc finds a wrong one.
import i18next from 'i18next';
import { useSyncExternalStore } from 'react';
import en from './en.json';

export type Key = keyof typeof en;
export type Language = 'en' | 'zh-CN';
export type Translate = (key: Key, values?: Record<string, string | number>) => string;

const listeners = new Set<() => void>();
let version = 0;

function wanted(): Language {
	const kept = localStorage.getItem('signet.language');
	if (kept === 'en' || kept === 'zh-CN') return kept;
	return navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}

async function load(language: Language): Promise<void> {
	if (language === 'zh-CN' && !i18next.hasResourceBundle('zh-CN', 'translation')) {
		const { default: texts } = await import('./zh-CN.json');
		i18next.addResourceBundle('zh-CN', 'translation', texts);
	}
	await i18next.changeLanguage(language);
	document.documentElement.lang = language;
	version++;
	listeners.forEach((l) => l());
}

export async function startLanguages(): Promise<void> {
	await i18next.init({
		lng: 'en', fallbackLng: 'en', keySeparator: false, nsSeparator: false, showSupportNotice: false,
		resources: { en: { translation: en } }, interpolation: { escapeValue: false },
	} as Parameters<typeof i18next.init>[0]);
	await load(wanted());
}

export function language(): Language {
	return i18next.language === 'zh-CN' ? 'zh-CN' : 'en';
}

export function setLanguage(to: Language): void {
	localStorage.setItem('signet.language', to);
	void load(to);
}

export const t: Translate = (key, values) => i18next.t(key, values as Record<string, string>) as string;

export function useT(): Translate {
	useSyncExternalStore((l) => { listeners.add(l); return () => listeners.delete(l); }, () => version);
	return t;
}
