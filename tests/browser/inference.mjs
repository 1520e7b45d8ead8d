// One inference, replay, and text of strangers (ui §9: 9 to 14, 26).
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/gateway.mjs';
import { allRows, assert, go, settled, test, world } from './lib/world.mjs';

const run = promisify(execFile);

test('a call of a tool stands beside its result', async (page) => {
	await go(page, `/logs/${world.ids.tools}`);
	const tool = page.locator('article[data-role=assistant]').filter({ hasText: 'lookup_order' }).first();
	await tool.getByText('"order_id"').waitFor();
	await tool.getByText('"shipped"').waitFor();
	await page.getByText('You are the support desk of Northwind.').waitFor();
	assert.equal(await page.locator('article[data-role=tool]').count(), 0);
});

test('a fallback after 429 shows both attempts in order, and parts that sum to the total', async (page) => {
	await go(page, `/logs/${world.ids.fallback}`);
	await page.getByRole('tab', { name: 'Timing' }).click();
	const text = await page.getByRole('group', { name: 'Timing' }).innerText();
	assert.ok(text.indexOf('1. openai') >= 0 && text.indexOf('1. openai') < text.indexOf('2. azure'), text);
	assert.match(text, /429/);
	assert.match(text, /fallback/);
	await page.getByRole('tab', { name: /Model calls/ }).click();
	await page.getByText(/Rate limit reached/).first().waitFor();
});

test('a signed attempt shows its signature, and never the whole of it', async (page) => {
	await go(page, `/logs/${world.ids.signed}`);
	await page.getByRole('tab', { name: /Model calls/ }).click();
	await page.getByText('wasm-bindgen').waitFor();
	const text = await page.locator('main').innerText();
	assert.match(text, /Nonce/);
	const hash = /([0-9a-f]{16})…/.exec(text)[1];
	const file = /path = "(.*sign\.wasm)"/.exec(world.config)[1];
	assert.ok(execFileSync('sha256sum', [file], { encoding: 'utf8' }).startsWith(hash));
	assert.ok(!/[0-9a-f]{64}/.test(text));
});

test('an output of 5 MB opens in a second, in pieces, and downloads whole', async (page) => {
	await page.goto(`${world.gateway.ui}/logs`);
	await settled(page);
	const began = Date.now();
	await page.goto(`${world.gateway.ui}/logs/${world.ids.large}`);
	await page.getByText('A long line of an answer.').first().waitFor();
	assert.ok(Date.now() - began < 3000, `${Date.now() - began} ms`);
	assert.ok((await page.locator('main').innerText()).length < 600000);
	const part = await fetch(`${world.gateway.url}/internal/signet/inferences/${world.ids.large}/parts/output`).then((r) => r.text());
	assert.ok(part.length > 5000000);
	assert.equal(JSON.parse(part)[0].text, 'A long line of an answer. '.repeat(Math.ceil(5000000 / 26)).slice(0, 5000000));
});

test('the copied curl and Python run and are answered', async (page) => {
	await go(page, `/logs/${world.ids.tools}`);
	const copied = async (name) => {
		await page.getByRole('button', { name: 'Copy', exact: true }).first().click();
		await page.getByRole('menuitem', { name }).click();
		await page.waitForTimeout(150);
		return page.evaluate(() => navigator.clipboard.readText());
	};
	const curl = await copied(/^curl/);
	const { stdout } = await run('bash', ['-c', curl], { env: { ...process.env, SIGNET_API_KEY: 'none' } });
	assert.equal(JSON.parse(stdout).object, 'chat.completion', stdout);
	const python = await copied('Python');
	const venv = join(root, '.venv/bin/python');
	if (existsSync(venv)) {
		const said = await run(venv, ['-c', python], { env: { ...process.env, SIGNET_API_KEY: 'none' } });
		assert.match(said.stdout, /ChatCompletionMessage/);
	} else {
		execFileSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], { input: python });
	}
});

test('a replay streams two models side by side; Stop ends the calls upstream; nothing is stored without Record', async (page) => {
	await go(page, '/playground?model=gpt-4o&model=qwen-max');
	const question = `dry run ${Date.now()} [slow 400]`;
	await page.getByLabel('User').fill(question);
	await page.getByRole('checkbox', { name: 'Record' }).uncheck();
	const before = world.upstream.seen.aborted;
	await page.getByRole('button', { name: /^Run/ }).click();
	await page.waitForFunction(() => [...document.querySelectorAll('[aria-busy=true]')].filter((e) => e.textContent.length > 10).length === 2);
	await page.getByRole('button', { name: 'Stop' }).click();
	await page.getByText('stopped').first().waitFor();
	for (let i = 0; i < 40 && world.upstream.seen.aborted < before + 2; i++) await page.waitForTimeout(50);
	assert.equal(world.upstream.seen.aborted, before + 2);
	await page.waitForTimeout(800);
	assert.equal((await allRows('range=1h')).filter((r) => r.preview_in?.includes(question)).length, 0);
	await page.getByLabel('User').fill(question.replace(' [slow 400]', ' kept'));
	await page.getByRole('checkbox', { name: 'Record' }).check();
	await page.keyboard.press('Control+Enter');
	await page.getByRole('link', { name: 'In the logs' }).nth(1).waitFor();
	await page.waitForTimeout(500);
	assert.equal((await allRows('range=1h')).filter((r) => r.preview_in?.includes('kept')).length, 2);
});

test('Replay fills the Playground from a recorded inference', async (page) => {
	await go(page, `/logs/${world.ids.tools}`);
	await page.getByRole('button', { name: 'Replay' }).click();
	await page.waitForURL(/playground/);
	await page.waitForFunction(() => [...document.querySelectorAll('textarea')].some((e) => e.value.includes('support desk')));
});

test('hostile text stays text', async (page) => {
	for (const path of [`/logs/${world.ids.hostile}`, '/logs', '/logs?q=%3Cimg+src%3Dx+onerror%3Dalert(3)%3E', `/logs?tag.%3Cscript%3E=%3Cb%3E`, `/playground?prompt=%3Cscript%3Ealert(4)%3C/script%3E`]) {
		await go(page, path);
		assert.equal(await page.locator('main img, main iframe, main script').count(), 0, path);
	}
	await go(page, `/logs/${world.ids.hostile}`);
	const text = await page.locator('main').innerText();
	assert.ok(text.includes('<script>alert(1)</script>') && text.includes('⟦U+202E⟧'), text);
	assert.ok(!/[\u202a-\u202e]/.test(text));
});

test('text from right to left is readable', async (page) => {
	await go(page, `/logs/${world.ids.rtl}`);
	await page.getByText('تمت الموافقة').first().waitFor();
});

test('a failed inference says why', async (page) => {
	await go(page, `/logs/${world.ids.failed}`);
	const text = await page.locator('main').innerText();
	assert.match(text, /503/);
	assert.match(text, /overloaded/);
});
