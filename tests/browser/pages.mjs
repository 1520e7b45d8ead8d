// Every page: nothing for axe to find, in both languages and themes, wide and narrow; each figure equal to SQL.
import { assert, allRows, api, go, rowsStored, settled, sql, test, ui, world } from './lib/world.mjs';

const pages = () => ['/', '/logs', '/logs?status=error', `/logs?sel=${world.ids.tools}`, `/logs/${world.ids.fallback}`, '/models', '/playground?model=gpt-4o', '/signers', '/settings', '/logs?model=nothing'];

for (const [name, look] of [['light', {}], ['dark', { theme: 'dark' }], ['Chinese', { language: 'zh-CN' }], ['390 px', { width: 390, height: 844 }]]) {
	test(`axe finds nothing: ${name}`, async (page) => {
		for (const path of pages()) {
			await go(page, path);
			assert.deepEqual(await page.axe(), [], path);
			const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
			assert.ok(wide <= 0, `${path} is ${wide} px too wide`);
		}
	}, look);
}

test('in Chinese no English text of the application is left', async (page) => {
	for (const path of ['/', '/logs', '/models', '/playground', '/signers', '/settings']) {
		await go(page, path);
		const text = await page.locator('nav, header, footer').allInnerTexts();
		assert.ok(!/\b(Overview|Logs|Models|Settings|Filter|Last|backlog)\b/.test(text.join(' ')), `${path}: ${text}`);
	}
	assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
}, { language: 'zh-CN' });

test('theme and language are kept, nothing else is', async (page) => {
	await go(page, '/logs');
	await page.getByRole('button', { name: 'Theme' }).click();
	await page.getByRole('menuitem', { name: 'Dark' }).click();
	await page.getByRole('button', { name: 'Language' }).click();
	await page.getByRole('menuitem', { name: '简体中文' }).click();
	await page.reload();
	await page.getByRole('heading', { name: '日志' }).waitFor();
	assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
	assert.deepEqual((await page.evaluate(() => Object.keys(localStorage))).sort(), ['signet.language', 'signet.theme']);
});

// (rows.mjs has more of it)
if (!rowsStored) test('the figures of Overview are those of the rows, and the Errors tile opens as many', async (page) => {
	await go(page, '/?range=7d');
	const rows = await allRows('range=7d');
	const errors = rows.filter((r) => r.state !== 'ok' && r.state !== 'cancelled' && r.state !== 'truncated').length;
	const { body } = await api('/overview?range=7d');
	assert.equal(body.total.n, rows.length);
	assert.equal(body.total.n, sql('SELECT count(*) FROM InferenceById')[0][0]);
	assert.equal(body.total.err, errors);
	assert.equal(body.total.in, rows.reduce((a, r) => a + (r.in ?? 0), 0));
	assert.equal(body.total.out, rows.reduce((a, r) => a + (r.out ?? 0), 0));
	const shown = await page.getByRole('link', { name: /^Requests/ }).locator('b').getAttribute('title');
	assert.equal(Number(shown.replace(/\D/g, '')), rows.length);
	await page.getByRole('link', { name: /^Error rate/ }).click();
	await page.waitForURL(/status=error/);
	await settled(page);
	assert.equal((await allRows('range=7d&status=error')).length, errors);
	await page.getByText(`${errors.toLocaleString('en')} matches`).waitFor();
});

test('a drag over a chart becomes the range, and back undoes it', async (page) => {
	await go(page, '/');
	const box = await page.locator('.u-over').first().boundingBox();
	await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
	await page.mouse.down();
	await page.mouse.move(box.x + box.width * 0.8, box.y + 40, { steps: 5 });
	await page.mouse.up();
	await page.waitForURL(/from=.*to=/);
	await page.goBack();
	await page.waitForURL((u) => !u.search.includes('from='));
});

test('a provider that fails is red, with the reason', async (page) => {
	await go(page, '/models');
	const row = page.getByRole('row').filter({ hasText: 'edge' }).filter({ hasText: 'openai' });
	await row.getByText('failing').waitFor();
	await row.getByText(/503 Error/).waitFor();
});

test('Signers shows the module, Settings every key with its place', async (page) => {
	await go(page, '/signers');
	await page.getByText('models.sonnet-signed.providers.devapi').waitFor();
	await page.getByText('wasm-bindgen').first().waitFor();
	await go(page, '/settings');
	await page.getByLabel('Find a key or a value').fill('models.broken.routing');
	await page.getByRole('row').filter({ hasText: /signet\.toml:\d+/ }).first().waitFor();
});

void ui;
