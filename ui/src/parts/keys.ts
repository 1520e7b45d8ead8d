// Single keys: dead while somebody types or a dialog is open, and off by choice (WCAG 2.1.4).
import { useEffect, useRef } from 'react';
import { keysOn } from './taste';

type Handlers = Record<string, (event: KeyboardEvent) => void>;
let lead = 0; // when "g" was pressed

function typing(target: EventTarget | null): boolean {
	return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function useKeys(handlers: Handlers, on = true): void {
	const latest = useRef(handlers);
	latest.current = handlers;
	useEffect(() => {
		if (!on) return;
		const listen = (e: KeyboardEvent) => {
			const name = (e.ctrlKey || e.metaKey ? 'Mod+' : '') + e.key;
			if (e.defaultPrevented || e.altKey) return;
			if (name !== 'Escape' && !name.startsWith('Mod+')) {
				if (typing(e.target) || !keysOn() || document.querySelector('[role=dialog][data-state=open], [role=menu][data-state=open]')) return;
				if (e.target instanceof HTMLElement && (e.key === 'Enter' || e.key === ' ') && e.target.closest('button, a, [role=tab]')) return;
			}
			const follows = Date.now() - lead < 900 && name.length === 1;
			const run = latest.current[follows ? `g ${name}` : name];
			if (name === 'g') lead = Date.now();
			if (!run) return;
			if (follows) lead = 0;
			e.preventDefault();
			run(e);
		};
		window.addEventListener('keydown', listen);
		return () => window.removeEventListener('keydown', listen);
	}, [on]);
}
