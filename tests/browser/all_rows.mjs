// ./dev test browser-rows: the scenarios of this store, then those of the others that are about lists, on 200,000 rows.
process.env.SIGNET_BROWSER_ROWS ??= '200000';
await import('./rows.mjs');
await import('./logs.mjs');
await import('./inference.mjs');
await import('./pages.mjs');
