import { defineConfig } from 'vite';

// Paths are relative to <base>, which the gateway fills in with the nonce when index.html leaves (src/api/ui.c).
export default defineConfig({
	base: './',
	html: { cspNonce: '__NONCE__' },
	build: {
		target: 'es2022',
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
		rolldownOptions: { onwarn: (w, say) => w.code === 'MODULE_LEVEL_DIRECTIVE' || say(w) },
		chunkSizeWarningLimit: 1200,
	},
});
