import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/http';
import { App } from './app';
import { startLanguages } from './i18n';
import { applyTheme } from './parts/taste';
import './theme.css';

// What Radix puts in <style> needs this answer's nonce; it looks for it under this name.
const nonce = document.querySelector<HTMLScriptElement>('script[nonce]')?.nonce;
(globalThis as unknown as { __webpack_nonce__?: string }).__webpack_nonce__ = nonce;

applyTheme();
const client = new QueryClient({
	defaultOptions: {
		queries: {
			refetchOnWindowFocus: false, staleTime: 2000,
			retry: (n, error) => n < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 502),
		},
	},
});
void startLanguages().then(() => createRoot(document.getElementById('root')!).render(<QueryClientProvider client={client}><App /></QueryClientProvider>));
