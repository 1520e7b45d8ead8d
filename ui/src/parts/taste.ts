// What the browser keeps: taste, never data.
import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';
const listeners = new Set<() => void>();
let version = 0;
const dark = window.matchMedia('(prefers-color-scheme: dark)');

function read(name: string): string | null {
	try {
		return localStorage.getItem(`signet.${name}`);
	} catch {
		return null;
	}
}

export const theme = (): Theme => (['light', 'dark'].includes(read('theme') ?? '') ? (read('theme') as Theme) : 'system');
export const isDark = () => theme() === 'dark' || (theme() === 'system' && dark.matches);
export const keysOn = () => read('keys') !== 'off';
export const wide = () => Number(read('panel') ?? 0);

export function applyTheme(): void {
	document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
	version++;
	listeners.forEach((l) => l());
}

export function setTaste(name: 'theme' | 'keys' | 'panel', value: string): void {
	try {
		localStorage.setItem(`signet.${name}`, value);
	} catch {
		// kept for this page only: nothing depends on it
	}
	applyTheme();
}

dark.addEventListener('change', applyTheme);

export function useTaste(): number {
	return useSyncExternalStore((l) => { listeners.add(l); return () => listeners.delete(l); }, () => version);
}
