// How the files and `signet ui` are served (ui §7; ui §9: 25, 27, 28).
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { test as plain } from 'node:test';
import { open, settled } from './lib/browser.mjs';
import { configOf, startGateway, startUi } from './lib/gateway.mjs';
import { assert, browser, go, test, ui, world } from './lib/world.mjs';

/** A request as it stands, with any Host. */
const raw = (url, path, { method = 'GET', headers = {}, body } = {}) => new Promise((done, failed) => {
	const { hostname, port } = new URL(url);
	const req = http.request({ host: hostname, port, path, method, headers, agent: false }, (res) => {
		let text = '';
		res.setEncoding('latin1').on('data', (t) => { text += t; }).on('end', () => done({ status: res.statusCode, headers: res.headers, text }));
	});
	req.on('error', failed);
	req.end(body);
});

plain('index.html has a fresh nonce, the policy, and is never stored', async () => {
	const [a, b] = [await raw(world.gateway.url, '/ui'), await raw(world.gateway.url, '/ui/logs/anything?x=1')];
	const nonces = [a, b].map((r) => {
		assert.equal(r.status, 200);
		assert.equal(r.headers['cache-control'], 'no-store');
		assert.equal(r.headers['x-content-type-options'], 'nosniff');
		assert.equal(r.headers['referrer-policy'], 'no-referrer');
		assert.equal(r.headers['cross-origin-opener-policy'], 'same-origin');
		assert.equal(r.headers['cross-origin-resource-policy'], 'same-origin');
		const nonce = /style-src 'self' 'nonce-([0-9a-f]{32})'/.exec(r.headers['content-security-policy'])[1];
		assert.match(r.headers['content-security-policy'], /^default-src 'none'; script-src 'self';/);
		assert.match(r.headers['content-security-policy'], /frame-ancestors 'none'$/);
		assert.ok(r.text.includes(`nonce="${nonce}"`) && r.text.includes('<base href="/ui/">'));
		assert.ok(!r.text.includes('__'), r.text);
		return nonce;
	});
	assert.notEqual(nonces[0], nonces[1]);
});

plain('hashed files are kept for ever, packed or not, and 304 when they are known', async () => {
	const page = await raw(world.gateway.url, '/ui');
	const path = `/ui/${/src="\.\/(assets\/index-[^"]+\.js)"/.exec(page.text)[1]}`;
	const packed = await raw(world.gateway.url, path, { headers: { 'accept-encoding': 'gzip, br' } });
	assert.equal(packed.headers['content-encoding'], 'gzip');
	assert.match(packed.headers['cache-control'], /immutable/);
	assert.equal(packed.headers['content-type'], 'text/javascript; charset=utf-8');
	const flat = await raw(world.gateway.url, path);
	assert.equal(flat.headers['content-encoding'], undefined);
	const { gunzipSync } = await import('node:zlib');
	assert.equal(gunzipSync(Buffer.from(packed.text, 'latin1')).toString('latin1'), flat.text);
	assert.equal((await raw(world.gateway.url, path, { headers: { 'if-none-match': packed.headers.etag } })).status, 304);
	assert.equal((await raw(world.gateway.url, '/ui/assets/none.js')).status, 404);
	assert.equal((await raw(world.gateway.url, '/ui/assets/..%2f..%2fetc/passwd')).status, 404);
	assert.ok(!flat.text.includes('sourceMappingURL'));
});

plain('the first load is at most 350 KB', async () => {
	const page = await raw(world.gateway.url, '/ui');
	const files = [...page.text.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((m) => m[1]);
	let sum = page.text.length;
	for (const file of files) sum += (await raw(world.gateway.url, `/ui/${file}`, { headers: { 'accept-encoding': 'gzip' } })).text.length;
	assert.ok(files.length >= 3 && sum <= 350 * 1024, `${files.length} files, ${sum} bytes`);
});

plain('under a base path the pages, their files and their data are below it', async () => {
	const gateway = await startGateway({ config: configOf(world.upstream.url).replace('[gateway]', '[gateway]\nbase_path = "/gw"') });
	try {
		const page = await open(browser, { base: gateway.url.replace('127.0.0.1', 'localhost') });
		await page.goto(`${gateway.url.replace('127.0.0.1', 'localhost')}/gw/ui/logs`);
		await page.getByText('Nothing').first().waitFor();
		assert.deepEqual(await page.check(), []);
		await page.context().close();
	} finally {
		await gateway.stop();
	}
});

plain('[ui] bind_address: the same pages at / of a port of their own, in the gateway itself', async () => {
	const gateway = await startGateway({ config: configOf(world.upstream.url), env: { SIGNET_UI_BIND_ADDRESS: '127.0.0.1:0' } });
	try {
		const found = /the web UI is at http:\/\/127\.0\.0\.1:(\d+)/;
		while (!found.test(gateway.log())) await new Promise((r) => setTimeout(r, 20));
		const own = `http://localhost:${found.exec(gateway.log())[1]}`;
		const page = await open(browser, { base: own });
		await page.goto(`${own}/logs`);
		await page.getByText('Nothing').first().waitFor();
		await page.getByRole('link', { name: 'Settings' }).click();
		await page.getByRole('button', { name: 'Check the files' }).click();
		await page.getByText('The files are as loaded').waitFor();
		assert.equal(new URL(page.url()).pathname, '/settings');
		assert.deepEqual(await page.check(), []);
		await page.context().close();
	} finally {
		await gateway.stop();
	}
});

plain('Settings: files that are broken give file:line, files that differ say where, and nothing that runs changes', async () => {
	const text = configOf(world.upstream.url);
	const gateway = await startGateway({ config: text });
	const page = await open(browser, { base: gateway.ui });
	const write = (now) => writeFileSync(join(gateway.dir, 'signet.toml'), now);
	const check = () => page.getByRole('button', { name: 'Check the files' }).click();
	try {
		await page.goto(`${gateway.ui}/settings`);
		write(text + '\n[server]\nfoo = 1\n');
		await check();
		await page.getByText(/signet\.toml:\d+: server\.foo: unknown field/).waitFor();
		write(text + '\n[server]\ndrain_s = 7\n');
		await check();
		const row = page.getByRole('status').getByRole('row').filter({ hasText: 'server.drain_s' });
		await row.getByText('30', { exact: true }).waitFor();
		await row.getByText('7', { exact: true }).waitFor();
		await row.getByText('at a restart').waitFor();
		assert.deepEqual(await page.axe(), []);
		write(text);
		await check();
		await page.getByText('The files are as loaded').waitFor();
		assert.deepEqual(await page.check(), []);
	} finally {
		await page.context().close();
		await gateway.stop();
	}
});

plain('signet ui: pages at /, listed routes passed on, everything else not, /health its own', async () => {
	const own = await startUi(world.gateway);
	try {
		assert.deepEqual([(await raw(own.url, '/health')).status, (await raw(own.url, '/health')).text], [200, '']);
		assert.equal(JSON.parse((await raw(own.url, '/status')).text).status, 'ok');
		assert.equal((await raw(own.url, '/internal/signet/session')).status, 200);
		assert.match((await raw(own.url, '/v1/models')).text, /<!doctype html>/i);
		assert.match((await raw(own.url, '/metrics')).text, /<!doctype html>/i);
		const moved = await raw(own.url, '/observability/inferences/abc?x=1');
		assert.deepEqual([moved.status, moved.headers.location], [308, '/logs/abc?x=1']);
		const page = await open(browser, { base: own.url });
		await page.goto(`${own.url}/logs`);
		await page.locator('[role=row][data-id]').first().waitFor();
		await page.goto(`${own.url}/playground?model=gpt-4o&prompt=Hello`);
		await settled(page);
		await page.getByRole('button', { name: /^Run/ }).click();
		await page.getByRole('link', { name: 'In the logs' }).waitFor();
		assert.deepEqual(await page.check(), []);
		await page.context().close();
	} finally {
		await own.stop();
	}
});

plain('signet ui: another Host, a forwarding header or a foreign Origin is no local caller', async () => {
	const own = await startUi(world.gateway);
	try {
		for (const headers of [{ host: 'evil.example:4000' }, { 'x-forwarded-for': '10.0.0.1' }, { forwarded: 'for=10.0.0.1' }, { via: '1.1 p' }])
			assert.equal((await raw(own.url, '/internal/signet/logs', { headers })).status, 401, JSON.stringify(headers));
		const post = (headers) => raw(own.url, '/v1/chat/completions', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{}' });
		assert.equal((await post({ origin: 'https://evil.example' })).status, 403);
		assert.equal((await post({ 'sec-fetch-site': 'cross-site' })).status, 403);
		assert.equal((await post({ origin: own.url })).status, 400); // the gateway's own opinion of "{}"
	} finally {
		await own.stop();
	}
});

plain('signet ui: read-only passes no change on, and the variables of the container are accepted', async () => {
	const own = await startUi(world.gateway, { TENSORZERO_UI_READ_ONLY: '1', TENSORZERO_UI_LOG_LEVEL: 'info', TENSORZERO_CLICKHOUSE_URL: 'http://x', TENSORZERO_POSTGRES_URL: 'y' });
	try {
		assert.match(own.log(), /not used/);
		assert.equal((await raw(own.url, '/v1/chat/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).status, 403);
		assert.equal((await raw(own.url, '/internal/signet/keys')).status, 403);
		const page = await open(browser, { base: own.url });
		await page.goto(`${own.url}/logs`);
		await settled(page);
		assert.equal(await page.getByRole('link', { name: 'Playground' }).count(), 0);
		await page.context().close();
	} finally {
		await own.stop();
	}
});

plain('a foreign gateway behind signet ui is told apart', async () => {
	const foreign = http.createServer((_, res) => { res.statusCode = 404; res.end('{"error":"Route not found"}'); });
	await new Promise((r) => foreign.listen(0, '127.0.0.1', r));
	const own = await startUi({ url: `http://127.0.0.1:${foreign.address().port}` });
	try {
		const page = await open(browser, { base: own.url, allow: [/404/] });
		await page.goto(own.url);
		await page.getByText('This gateway is not a Signet').waitFor();
		await page.context().close();
	} finally {
		await own.stop();
		foreign.closeAllConnections();
		foreign.close();
	}
});

plain('when the gateway goes, the page says so and comes back by itself', async () => {
	const gateway = await startGateway({ config: configOf(world.upstream.url), keep: true });
	const own = await startUi(gateway);
	const page = await open(browser, { base: own.url, allow: [/502|Failed to load/] });
	try {
		await page.goto(`${own.url}/logs`);
		await settled(page);
		await gateway.stop();
		await page.getByText('The gateway does not answer').first().waitFor({ timeout: 15000 });
		const again = await startGateway({ config: configOf(world.upstream.url).replace('127.0.0.1:0', new URL(gateway.url).host), dir: gateway.dir });
		await page.waitForFunction(() => !document.body.innerText.includes('The gateway does not answer'), undefined, { timeout: 15000 });
		await again.stop();
	} finally {
		await page.context().close();
		await own.stop();
	}
});

test('no credential is in any page, answer or storage', async (page) => {
	const seen = [];
	page.on('response', async (r) => { seen.push(await r.text().catch(() => '')); });
	for (const path of ['/', '/logs', `/logs/${world.ids.signed}`, '/models', '/signers', '/settings']) await go(page, path);
	await go(page, `/logs/${world.ids.signed}`);
	await page.getByRole('tab', { name: 'Raw' }).click();
	await settled(page);
	seen.push(await page.content(), await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage })));
	for (const canary of ['sk-mock-canary', 'sid-canary', 'device-canary']) assert.ok(!seen.some((t) => t.includes(canary)), canary);
});

void ui;
