// Numbers, times and texts as people read them. The exact value goes to a title.
import { language } from '../i18n';

export const dash = '–';

export function int(n: number | null | undefined): string {
	return n == null ? dash : n.toLocaleString(language());
}

export function short(n: number | null | undefined): string {
	if (n == null) return dash;
	if (Math.abs(n) < 10000) return int(n);
	return new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(n);
}

/** 41 ms, 1.90 s, 2 m 5 s */
export function ms(n: number | null | undefined): string {
	if (n == null) return dash;
	if (n < 1) return n === 0 ? '0 ms' : `${n.toFixed(2)} ms`;
	if (n < 1000) return `${Math.round(n)} ms`;
	if (n < 60000) return `${(n / 1000).toFixed(n < 10000 ? 2 : 1)} s`;
	return `${Math.floor(n / 60000)} m ${Math.round((n % 60000) / 1000)} s`;
}

/** 2 to 6 decimals */
export function money(n: number | null | undefined): string {
	if (n == null) return dash;
	if (n > 0 && n < 1e-6) return '<$0.000001';
	const digits = n === 0 || n >= 1 ? 2 : n >= 0.01 ? 4 : 6;
	return `$${n.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: digits })}`;
}

export function percent(part: number, whole: number): string {
	if (!whole) return dash;
	const p = (100 * part) / whole;
	return `${p === 0 || p >= 10 ? p.toFixed(p >= 10 ? 1 : 0) : p.toFixed(2)} %`;
}

export function bytes(n: number | null | undefined): string {
	if (n == null) return dash;
	for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['KB', 1e3]] as const) if (n >= size) return `${(n / size).toFixed(n / size < 10 ? 1 : 0)} ${unit}`;
	return `${n} B`;
}

const units = { en: ['s', 'min', 'h', 'd'], 'zh-CN': ['秒', '分钟', '小时', '天'] };

export function span(seconds: number): string {
	const [s, min, h, d] = units[language()];
	if (seconds < 60) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} ${s}`;
	if (seconds < 3600) return `${Math.round(seconds / 60)} ${min}`;
	if (seconds < 172800) return `${Math.round(seconds / 3600)} ${h}`;
	return `${Math.round(seconds / 86400)} ${d}`;
}

const pad = (n: number, digits = 2) => String(n).padStart(digits, '0');

/** Local, or UTC: day and time with milliseconds. */
export function moment(t: string | number, utc: boolean): { day: string; time: string } {
	const d = new Date(t);
	if (Number.isNaN(d.getTime())) return { day: '', time: String(t) };
	return utc
		? { day: `${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`, time: `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}.${pad(d.getUTCMilliseconds(), 3)}` }
		: { day: `${pad(d.getMonth() + 1)}-${pad(d.getDate())}`, time: `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)}` };
}

export function age(t: string | number): string {
	return span(Math.max(0, (Date.now() - new Date(t).getTime()) / 1000));
}

export function full(t: string | number): string {
	const d = new Date(t);
	return Number.isNaN(d.getTime()) ? String(t) : `${d.toISOString()} (${age(t)})`;
}

// Direction marks and characters without width can make text read as something that it is not.
const hidden = /[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]/g;
export function visible(text: string): string {
	return text.replace(hidden, (c) => `⟦U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟧`);
}

/** The function by its name; calls by a model's name belong to one that nobody wrote. */
export function functionOf(row: { function: string | null }): string | null {
	return row.function === 'tensorzero::default' ? null : row.function;
}

export function isUuid(text: string): boolean {
	return /^(req_|chatcmpl-)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text.trim());
}

export function json(value: unknown): string {
	return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

/** The value if the text is JSON, the text itself if it is not: old rows hold what they hold. */
export function parsed(value: unknown): unknown {
	if (typeof value !== 'string') return value;
	try {
		return JSON.parse(value) as unknown;
	} catch {
		return value;
	}
}
