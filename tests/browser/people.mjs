// Keys and signing in, by people (ui §9: 19, 24). A gateway of their own: it has a password and demands keys.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as plain } from 'node:test';
import { open, settled } from './lib/browser.mjs';
import { configOf, startGateway, startUi } from './lib/gateway.mjs';
import { assert, browser, world } from './lib/world.mjs';

const PASSWORD = 'correct horse battery';
const config = () => configOf(world.upstream.url).replace('[models.gpt-4o]', '[gateway.auth]\nenabled = true\n\n[models.gpt-4o]');
const refused = [/40[13]|429|Failed to load/];

async function signIn(page, password = PASSWORD) {
	await page.getByLabel('Password', { exact: true }).fill(password);
	await page.getByRole('button', { name: 'Sign in' }).click();
}

plain('signing in: wrong once, right, back to the wanted page, out again; a key is made, seen once, works and is disabled', { timeout: 120000 }, async () => {
	const gateway = await startGateway({ config: config(), env: { SIGNET_UI_PASSWORD: PASSWORD } });
	const page = await open(browser, { base: gateway.ui, allow: refused });
	const answers = [];
	page.on('response', async (r) => { if (r.request().method() === 'GET') answers.push(await r.text().catch(() => '')); });
	const call = (key) => fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` }, body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'with a key' }] }) });
	try {
		await page.goto(`${gateway.ui}/models`);
		await page.getByRole('button', { name: 'Sign in' }).waitFor();
		assert.ok(!(await page.content()).includes('gpt-4o'));
		assert.deepEqual(await page.axe(), []);
		await signIn(page, 'wrong');
		await page.getByRole('alert').waitFor();
		await signIn(page);
		await page.getByRole('heading', { name: 'Models', exact: true }).waitFor();
		assert.equal(await page.evaluate(() => document.cookie), '');

		await page.getByRole('link', { name: 'API keys' }).click();
		await page.getByRole('button', { name: 'Create a key' }).first().click();
		await page.getByRole('dialog').getByLabel('Description').fill('browser test');
		await page.getByRole('dialog').getByRole('button', { name: 'Create a key' }).click();
		await page.getByRole('button', { name: 'Show' }).click();
		const key = /sk-t0-\w{12}-\w{48}/.exec(await page.getByRole('dialog').innerText())[0];
		await page.getByRole('button', { name: 'I have stored it' }).click();
		await page.getByText('browser test').waitFor();
		assert.deepEqual(await page.axe(), []);
		assert.equal((await call(key)).status, 200);
		assert.equal((await call('sk-t0-AAAAAAAAAAAA-' + 'B'.repeat(48))).status, 401);
		await page.reload();
		await page.getByText('browser test').waitFor();
		const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.documentElement.outerHTML);
		assert.ok(![stored, ...answers].some((t) => t.includes(key.slice(-48))), 'the key is somewhere');

		await page.getByRole('button', { name: 'Disable' }).click();
		await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click();
		await page.getByText('disabled', { exact: true }).waitFor();
		await page.waitForTimeout(1000);
		assert.equal((await call(key)).status, 401);

		await page.context().clearCookies();
		await page.getByRole('link', { name: 'Models' }).click();
		await page.getByText('Your session has ended').waitFor({ timeout: 10000 });
		await signIn(page);
		await page.getByText('Your session has ended').waitFor({ state: 'detached' });
		assert.ok(page.url().endsWith('/models'), 'the view survives');
		await page.getByRole('button', { name: 'Account' }).click();
		await page.getByRole('menuitem', { name: 'Sign out' }).click();
		await page.getByRole('button', { name: 'Sign in' }).waitFor();
		assert.deepEqual(await page.check(), []);
	} finally {
		await page.screenshot({ path: '/tmp/signet-browser-people.png' }).catch(() => undefined);
		await page.context().close();
		await gateway.stop();
	}
});

plain('after five wrong passwords the wait is shown', { timeout: 60000 }, async () => {
	const gateway = await startGateway({ config: config(), env: { SIGNET_UI_PASSWORD: PASSWORD } });
	const page = await open(browser, { base: gateway.ui, allow: refused });
	try {
		await page.goto(`${gateway.ui}/`);
		for (let i = 0; i < 6; i++) {
			await page.getByLabel('Password', { exact: true }).waitFor();
			await signIn(page, `wrong ${i}`);
			await page.getByRole('alert').waitFor();
			await page.waitForTimeout(150);
		}
		await page.getByText(/Try again in \d+ s/).waitFor();
		assert.ok(await page.getByRole('button', { name: 'Sign in' }).isDisabled());
	} finally {
		await page.context().close();
		await gateway.stop();
	}
});

plain('through signet ui the session works too, and the Playground with it', { timeout: 60000 }, async () => {
	const gateway = await startGateway({ config: config(), env: { SIGNET_UI_PASSWORD: PASSWORD } });
	const own = await startUi(gateway);
	const page = await open(browser, { base: own.url, allow: refused });
	try {
		await page.goto(`${own.url}/playground?model=gpt-4o&prompt=Hello`);
		await signIn(page);
		await page.getByRole('button', { name: /^Run/ }).click();
		await page.getByRole('link', { name: 'In the logs' }).waitFor();
		await settled(page);
		assert.deepEqual(await page.check(), []);
	} finally {
		await page.screenshot({ path: '/tmp/signet-browser-own.png' }).catch(() => undefined);
		await page.context().close();
		await own.stop();
		await gateway.stop();
	}
});

// 22: what is on disk is checked first, then put in force, then taken back; a broken file gives its line and changes nothing.
plain('settings: a broken file, what would change, reload, 409 after a change between, return to the one before', { timeout: 60000 }, async () => {
	const config = configOf(world.upstream.url);
	const gateway = await startGateway({ config });
	const page = await open(browser, { base: gateway.ui, allow: [/409|422|Failed to load/] });
	const file = join(gateway.dir, 'signet.toml');
	const asks = async (model) => (await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }) })).status;
	const more = config.replace('[models.gpt-4o]', '[surfaces.aliases]\nfresh = "gpt-4o"\n\n[models.gpt-4o]') + '\n[server]\nkeepalive_ms = 61000\n';
	const check = () => page.getByRole('button', { name: 'Check the files' }).click();
	try {
		await page.goto(`${gateway.ui}/settings`);
		writeFileSync(file, config + '\n[models.x\n');
		await check();
		await page.getByText(/signet\.toml:\d+/).first().waitFor();
		assert.equal(await asks('fresh'), 404);
		writeFileSync(file, more);
		await check();
		const status = page.getByRole('status');
		await status.getByRole('row').filter({ hasText: 'surfaces.aliases.fresh' }).waitFor();
		await status.getByRole('row').filter({ hasText: 'server.keepalive_ms' }).filter({ hasText: 'at a restart' }).waitFor();
		assert.equal(await asks('fresh'), 404, 'a check changes nothing');
		assert.deepEqual(await page.axe(), []);
		writeFileSync(file, more + '# changed between\n[record]\nmax_raw_kib = 5\n');
		await page.getByRole('button', { name: 'Reload exactly this' }).click();
		await page.getByText(/no longer those that were checked/).waitFor();
		assert.equal(await asks('fresh'), 404);
		writeFileSync(file, more);
		await check();
		await page.getByRole('button', { name: 'Reload exactly this' }).click();
		await page.getByRole('button', { name: 'Return to it' }).waitFor();
		assert.equal(await asks('fresh'), 200);
		await page.getByLabel('Find a key or a value').fill('server.keepalive_ms');
		await page.getByText(/at a restart; runs with 75000/).waitFor();
		assert.deepEqual(await page.axe(), []);
		await page.getByRole('button', { name: 'Return to it' }).click();
		await page.getByText(/at a restart/).waitFor({ state: 'detached' });
		assert.equal(await asks('fresh'), 404);
	} finally {
		await page.context().close();
		await gateway.stop();
	}
});
