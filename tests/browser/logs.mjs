// Logs: the list, its filters, search, scrolling, live, keyboard (ui §9: 2 to 8, 29, 30).
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ask } from './lib/seed.mjs';
import { allRows, assert, go, rowsStored, settled, shownIds, sql, test, ui, world } from './lib/world.mjs';

test('an id that is pasted opens its inference, a wrong one says so', async (page) => {
	await go(page, '/');
	await page.keyboard.press('/');
	await page.keyboard.type(world.ids.tools);
	await page.keyboard.press('Enter');
	await page.waitForURL(`**/logs/${world.ids.tools}`);
	await page.getByRole('heading', { name: 'gpt-4o' }).waitFor();
	await page.getByRole('searchbox').or(page.getByLabel('Search the record')).fill('0197c0de-0000-7000-8000-000000000000');
	await page.keyboard.press('Enter');
	await page.getByText('This id is not in the record or the journal').waitFor();
	page.wrong.length = 0; // the 404 is in the console, by the browser itself
});

test('what the list shows for single filters and pairs equals SQL', async (page) => {
	const columns = { model: 'model_name', provider: 'model_provider_name', status: 'state', stream: 'stream' };
	const names = sql("SELECT name FROM pragma_table_info('InferenceById')").map((r) => r[0]);
	const of = (name) => names.find((n) => [columns[name], name].includes(n));
	const cases = [{ model: 'gpt-4o' }, { provider: 'azure' }, { status: 'error' }, { model: 'claude-sonnet', stream: '1' }, { provider: 'openai', stream: '0' }, { model: 'broken', status: 'error' }];
	for (const c of cases) {
		const from = Math.floor(Date.now() / 1000) - 7 * 86400, range = { from: new Date(from * 1000).toISOString(), ...c };
		const where = Object.entries(c).map(([k, v]) => `"${of(k)}" = '${v}'`).join(' AND ');
		const want = sql(`SELECT count(*) FROM InferenceById WHERE seq >> 15 >= ${from}000 AND ${where}`)[0][0];
		const rows = await allRows(new URLSearchParams(range).toString());
		assert.equal(rows.length, want, JSON.stringify(c));
		await go(page, `/logs?${new URLSearchParams(range)}`);
		assert.deepEqual((await shownIds(page)).slice(0, 8), rows.slice(0, 8).map((r) => r.id), JSON.stringify(c));
	}
});

test('a filter is chosen in the menu, stands in the link, and the link shows the same rows elsewhere', async (page) => {
	await go(page, '/logs');
	await page.getByRole('button', { name: 'Filter', exact: true }).click();
	await page.getByRole('button', { name: 'Provider', exact: true }).click();
	await page.getByRole('dialog').getByRole('button', { name: /^azure/ }).click();
	await page.waitForURL(/provider=azure/);
	await settled(page);
	const here = (await shownIds(page)).slice(0, 10);
	assert.ok(here.length > 0);
	const other = await page.context().newPage();
	await other.goto(page.url());
	await settled(other);
	assert.deepEqual((await shownIds(other)).slice(0, 10), here);
	await page.goBack();
	await settled(page);
	assert.ok(!page.url().includes('provider='));
});

// (rows.mjs has its own for its texts)
if (!rowsStored) test('search: all words, a phrase, minus, two Chinese characters', async () => {
	const texts = (await allRows('range=7d')).map((r) => ({ id: r.id, text: `${r.preview_in ?? ''}\n${r.preview_out ?? ''}`.toLowerCase() }));
	const cases = [['refund order', (s) => s.includes('refund') && s.includes('order')], ['"ten best customers"', (s) => s.includes('ten best customers')], ['refund -parcel', (s) => s.includes('refund') && !s.includes('parcel')], ['退款', (s) => s.includes('退款')]];
	for (const [q, matches] of cases) {
		const got = new Set((await allRows(new URLSearchParams({ range: '7d', q }).toString())).map((r) => r.id));
		const want = texts.filter((x) => matches(x.text));
		assert.ok(want.length > 0, q);
		for (const x of want) assert.ok(got.has(x.id) || q.includes('-'), `${q}: ${x.text.slice(0, 80)}`);
	}
});

test('a search marks its words in the list', async (page) => {
	await go(page, '/logs');
	await page.keyboard.press('/');
	await page.keyboard.type('refund');
	await page.keyboard.press('Enter');
	await page.waitForURL(/q=refund/);
	await page.locator('mark', { hasText: /refund/i }).first().waitFor();
});

test('scrolling to row 800 and back shows no row twice, leaves none out, keeps few in the page', async (page) => {
	await go(page, '/logs?range=7d');
	const want = (await allRows('range=7d')).map((r) => r.id);
	const seen = new Map();
	let most = 0;
	const look = async () => {
		const rows = await page.locator('[role=row][data-id]').evaluateAll((all) => all.map((r) => [r.dataset.id, Number(r.getAttribute('aria-rowindex'))]));
		most = Math.max(most, rows.length);
		for (const [id, at] of rows) { assert.ok(!seen.has(id) || seen.get(id) === at, `${id} at two places`); seen.set(id, at); }
	};
	const list = page.locator('[role=rowgroup]');
	const goal = Math.min(800, want.length - 1);
	for (let top = 0; top < goal * 50; top += 450) {
		await list.evaluate((e, y) => { e.scrollTop = y; }, top);
		await page.waitForTimeout(45);
		await look();
	}
	await page.waitForTimeout(300);
	await look();
	await list.evaluate((e) => { e.scrollTop = 0; });
	await page.waitForTimeout(200);
	await look();
	assert.ok(most < 200, `${most} rows in the page`);
	const byPlace = [...seen].sort((a, b) => a[1] - b[1]).map(([id]) => id);
	assert.ok(byPlace.length > goal * 0.95, `${byPlace.length} of ${goal} rows were seen`);
	for (const [id, at] of seen) assert.equal(want[at - 2], id);
});

test("links of TensorZero's UI lead to the same view", async (page) => {
	await go(page, '/observability/inferences?function_name=tensorzero::default&variant_name=gpt-4o');
	assert.match(page.url(), /\/logs\?fn=tensorzero%3A%3Adefault&variant=gpt-4o/);
	await go(page, `/observability/inferences/${world.ids.tools}`);
	assert.ok(page.url().endsWith(`/logs/${world.ids.tools}`));
	await go(page, '/config');
	assert.ok(page.url().endsWith('/settings'));
});

test('live with a filter shows only what matches, within two seconds, and moves no reader', async (page) => {
	await go(page, '/logs?model=qwen-max&live=1');
	await page.waitForTimeout(600);
	const word = `live ${Date.now()}`;
	await ask(world.gateway, { model: 'gpt-4o', messages: [{ role: 'user', content: `${word} other` }] });
	await ask(world.gateway, { model: 'qwen-max', messages: [{ role: 'user', content: word }] });
	await page.getByText(word).first().waitFor({ timeout: 3000 });
	assert.equal(await page.getByText(`${word} other`).count(), 0);
	const list = page.locator('[role=rowgroup]');
	await list.evaluate((e) => { e.scrollTop = 400; });
	await page.waitForTimeout(200);
	await ask(world.gateway, { model: 'qwen-max', messages: [{ role: 'user', content: `${word} again` }] });
	await page.getByRole('button', { name: '1 new' }).waitFor({ timeout: 4000 });
	assert.equal(await list.evaluate((e) => e.scrollTop), 400);
	await page.getByRole('button', { name: '1 new' }).click();
	await page.getByText(`${word} again`).first().waitFor();
});

test('a row opens while the store is locked: the journal has it', async (page) => {
	const file = join(world.gateway.dir, 'data/signet.db');
	const lock = spawn('python3', ['-c', 'import sqlite3, sys, time\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\ndb.execute("BEGIN IMMEDIATE")\nprint("held", flush=True)\ntime.sleep(60)', file], { stdio: ['ignore', 'pipe', 'inherit'] });
	await new Promise((r) => lock.stdout.once('data', r));
	try {
		const response = await ask(world.gateway, { model: 'gpt-4o', messages: [{ role: 'user', content: 'while it is locked' }] });
		await go(page, `/logs/${response.headers.get('x-signet-inference-id')}`);
		await page.getByText('while it is locked').first().waitFor();
		await page.getByText('journal', { exact: true }).waitFor();
	} finally {
		lock.kill();
	}
});

test('Logs by the keyboard alone: rows, panel, tabs, errors, clear, pages', async (page) => {
	await go(page, '/logs');
	await page.keyboard.press('j');
	await page.keyboard.press('j');
	await page.keyboard.press('Enter');
	await page.waitForURL(/sel=/);
	const first = page.url();
	await page.keyboard.press(']');
	await page.waitForFunction((u) => location.href !== u, first);
	await page.keyboard.press('3');
	await page.getByRole('tab', { name: /Model calls/, selected: true }).waitFor();
	await page.keyboard.press('Escape');
	await page.waitForFunction(() => !location.search.includes('sel='));
	await page.keyboard.press('e');
	await page.waitForURL(/status=error/);
	await page.keyboard.press('x');
	await page.waitForFunction(() => !location.search.includes('status='));
	await page.keyboard.press('?');
	await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
	await page.keyboard.press('Escape');
	await page.keyboard.press('g');
	await page.keyboard.press('m');
	await page.waitForURL('**/models');
});

test('the newest failures are two keys away, their reason one more', async (page) => {
	await go(page, '/');
	await page.keyboard.press('g');
	await page.keyboard.press('l');
	await page.keyboard.press('e');
	await page.waitForURL(`${ui}/logs?status=error`);
	await settled(page);
	assert.ok((await shownIds(page)).length > 0);
});

