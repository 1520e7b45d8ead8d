// Line icons of one hand: 16 units, stroke 1.5.
const paths = {
	overview: 'M2.5 9.5h3v4h-3zM6.5 5.5h3v8h-3zM10.5 2.5h3v11h-3z',
	logs: 'M2.5 4h11M2.5 8h11M2.5 12h7',
	models: 'M8 1.8l5.5 3v6.4L8 14.2l-5.5-3V4.8zM2.7 4.9L8 8l5.3-3.1M8 8v6',
	playground: 'M4.5 3l8 5-8 5z',
	keys: 'M10.3 9.2a3.3 3.3 0 1 0-3.1-2.1L2.5 11.8v1.7h2.6v-1.6h1.6v-1.6l1.1-1.1M11.2 4.9h.01',
	signers: 'M8 1.8l5 1.8v4.2c0 3.2-2.1 5.4-5 6.4-2.9-1-5-3.2-5-6.4V3.6zM5.8 7.9l1.6 1.6 2.9-3',
	settings: 'M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M8.5 3v3M4.5 10v3',
	search: 'M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM10.6 10.6L14 14',
	copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
	check: 'M3 8.5l3.2 3.2L13 4.8',
	close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
	down: 'M4 6l4 4 4-4',
	right: 'M6 4l4 4-4 4',
	left: 'M10 4L6 8l4 4',
	plus: 'M8 3v10M3 8h10',
	filter: 'M2 3.5h12L9.5 8.7v4.1l-3 1.2V8.7z',
	sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.2v1.3M8 13.5v1.3M1.2 8h1.3M13.5 8h1.3M3.2 3.2l.9.9M11.9 11.9l.9.9M12.8 3.2l-.9.9M4.1 11.9l-.9.9',
	moon: 'M13.5 9.6A5.8 5.8 0 1 1 6.4 2.5a4.6 4.6 0 0 0 7.1 7.1z',
	screen: 'M2 3h12v8H2zM5.5 13.5h5',
	globe: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2 8h12M8 2c1.8 1.7 2.6 3.7 2.6 6S9.800 12.300 8 14c-1.800-1.700-2.600-3.700-2.600-6S6.200 3.700 8 2z',
	menu: 'M2.5 4.500h11M2.500 8h11M2.500 11.500h11',
	alert: 'M8 2.200l6.200 11.300H1.800zM8 6.500v3.200M8 11.600h.01',
	download: 'M8 2.500v7.200M4.900 6.900L8 10l3.100-3.100M2.800 13h10.400',
	refresh: 'M13.200 8a5.200 5.200 0 1 1-1.600-3.800M13.400 1.800v3h-3',
	external: 'M9.500 2.500h4v4M13.300 2.700L7.500 8.500M12 9.500v4H2.500V4H7',
	clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.800V8l2.300 1.600',
	inbox: 'M2 9l2.200-5.500h7.600L14 9v4H2zM2 9h3.500l.8 1.500h3.400l.8-1.500H14',
	stop: 'M4 4h8v8H4z',
	user: 'M8 8a2.800 2.800 0 1 0 0-5.600A2.800 2.800 0 0 0 8 8zM2.800 13.800c.6-2.500 2.600-3.800 5.200-3.800s4.600 1.300 5.200 3.800',
	more: 'M3.500 8h.01M8 8h.01M12.500 8h.01',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
	return (
		<svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth={name === 'more' ? 2.2 : 1.5} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
			<path d={paths[name]} />
		</svg>
	);
}

export function Logo({ size = 24 }: { size?: number }) {
	return (
		<svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
			<rect width="32" height="32" rx="8" fill="var(--accent-fill)" />
			<circle cx="16" cy="16" r="9" fill="none" stroke="#fff" strokeWidth="2.4" />
			<path d="M19.600 12.600c-.9-1-2.200-1.500-3.700-1.500-2 0-3.400.9-3.400 2.400 0 3.300 7.200 1.500 7.200 4.900 0 1.600-1.600 2.600-3.800 2.600-1.700 0-3.100-.6-4-1.800" fill="none" stroke="#fff" strokeWidth="2.100" strokeLinecap="round" />
		</svg>
	);
}
