// Pages over ClickHouse (ui §9: 1, 2, 4, 7, 8, 9, 10, 27): a gateway as the guide starts it, whose signet.db lists the last days without
// bodies, and one that has nothing but ClickHouse. Figures are compared with SQL over TensorZero's tables.
import assert from 'node:assert/strict';
import { after, test as nodeTest } from 'node:test';
import { launch, open, settled } from './lib/browser.mjs';
import { startClickHouse, there } from './lib/clickhouse.mjs';
import { startGateway } from './lib/gateway.mjs';
import { ask, seed } from './lib/seed.mjs';

if (!there) {
	nodeTest('pages over ClickHouse', { skip: 'the Python packages of the tests are not there (./dev setup)' }, () => undefined);
} else {
	const clickhouse = await startClickHouse();
	const env = { TENSORZERO_CLICKHOUSE_URL: clickhouse.address('pages') };
	const world = await seed({ steps: 24, each: 10, large: false, env });
	const alone = await startGateway({ config: `${world.config}\n[store]\nlocal_days = 0\n`, env });
	const browser = await launch();
	after(async () => { await browser.close(); await alone.stop(); await world.stop(); await clickhouse.close(); });

	const sql = (query) => clickhouse.ask(query, 'pages');
	const count = async (table, where = '1') => (await sql(`SELECT count() AS n FROM ${table} WHERE ${where}`))[0].n;
	const api = async (gateway, path) => {
		const response = await fetch(`${gateway.url}/internal/signet${path}`, { headers: { host: 'localhost' } });
		return { status: response.status, body: await response.json().catch(() => null) };
	};
	const allRows = async (gateway, query) => {
		const rows = [];
		for (let cursor = ''; ;) {
			const { body } = await api(gateway, `/logs?limit=1000&${query}${cursor && `&cursor=${cursor}`}`);
			rows.push(...body.rows);
			if (!body.next) return rows;
			cursor = body.next;
		}
	};
	const drained = async (gateway) => {
		for (let i = 0; i < 200 && (await api(gateway, '/health')).body.record.rows; i++) await new Promise((r) => setTimeout(r, 100));
	};
	await drained(world.gateway);

	const shownIds = (page) => page.locator('[role=row][data-id]').evaluateAll((rows) => rows.map((r) => r.dataset.id));
	const test = (name, gateway, run, allow = []) => nodeTest(name, { timeout: 60000 }, async () => {
		const page = await open(browser, { base: gateway.ui, allow });
		page.go = async (path) => { await page.goto(gateway.ui + path); await settled(page); };
		try {
			await run(page, gateway);
			assert.deepEqual(await page.check(), []);
		} catch (error) {
			await page.screenshot({ path: `/tmp/signet-browser-${name.replace(/\W+/g, '-').slice(0, 60)}.png` }).catch(() => undefined);
			throw error;
		} finally {
			await page.context().close();
		}
	});

	for (const [kind, gateway] of [['with the list of the last days', world.gateway], ['with ClickHouse alone', alone]]) {
		const failures = gateway === world.gateway;

		test(`Overview is what SQL says, and its tiles open as many (${kind})`, gateway, async (page) => {
			const rows = await allRows(gateway, 'range=7d');
			const answers = rows.filter((r) => r.state !== 'error');
			const { body } = await api(gateway, '/overview?range=7d');
			const [tokens] = await sql('SELECT sum(input_tokens) AS i, sum(output_tokens) AS o FROM ModelInference');
			assert.equal(answers.length, await count('ChatInference'));
			assert.deepEqual([body.total.n, body.total.in, body.total.out], [rows.length, tokens.i, tokens.o]);
			assert.equal(body.total.err, rows.length - answers.length);
			assert.equal(rows.length > answers.length, failures);
			await page.go('/?range=7d');
			const shown = await page.getByRole('link', { name: /^Requests/ }).locator('b').getAttribute('title');
			assert.equal(Number(shown.replace(/\D/g, '')), rows.length);
			const rate = await page.getByRole('link', { name: /^Error rate/ }).innerText();
			assert.equal(/not kept in ClickHouse/.test(rate), !failures, rate);
			const box = await page.locator('.u-over').first().boundingBox();
			await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
			await page.mouse.down();
			await page.mouse.move(box.x + box.width * 0.8, box.y + 40, { steps: 5 });
			await page.mouse.up();
			await page.waitForURL(/from=.*to=/);
			await page.goBack();
			await page.waitForURL((u) => !u.search.includes('from='));
			await page.getByRole('link', { name: /^Error rate/ }).click();
			await page.waitForURL(/status=error/);
			await settled(page);
			assert.equal((await shownIds(page)).length > 0, failures);
			if (failures) await page.getByText(`${body.total.err.toLocaleString('en')} matches`).waitFor();
			else await page.getByText('keeps no request that failed').waitFor();
			assert.deepEqual(await page.axe(), []);
		});

		test(`an id lands where it belongs, a wrong one says so (${kind})`, gateway, async (page) => {
			const [{ call, id }] = await sql(`SELECT toString(id) AS call, toString(inference_id) AS id FROM ModelInference WHERE inference_id = '${world.ids.tools}'`);
			await page.go('/');
			await page.keyboard.press('/');
			await page.keyboard.type(id);
			await page.keyboard.press('Enter');
			await page.waitForURL(`**/logs/${id}`);
			await page.getByRole('heading', { name: 'gpt-4o' }).waitFor();
			await page.go(`/logs/${call}`);
			await page.getByRole('heading', { name: 'gpt-4o' }).waitFor();
			await page.go('/logs/0197c0de-0000-7000-8000-000000000000');
			await page.getByText('This id is not in the record or the journal').waitFor();
		}, [/404/]);

		test(`filters select what SQL does, and the link shows the same elsewhere (${kind})`, gateway, async (page) => {
			const models = (condition) => `id IN (SELECT inference_id FROM ModelInference WHERE ${condition})`;
			const cases = [
				[{ model: 'gpt-4o' }, models("model_name = 'gpt-4o'")], [{ provider: 'azure' }, models("model_provider_name = 'azure'")], [{ 'tag.app': 'data-studio' }, "tags['app'] = 'data-studio'"],
				[{ fn: 'tensorzero::default', model: 'qwen-max' }, models("model_name = 'qwen-max'")], [{ finish: 'tool_call' }, models("finish_reason = 'tool_call'")],
				[{ model: 'claude-sonnet', 'tag.app': 'checkout-bot' }, `${models("model_name = 'claude-sonnet'")} AND tags['app'] = 'checkout-bot'`], [{ min_out: '40', status: 'ok' }, models('output_tokens >= 40')],
			];
			for (const [query, where] of cases) {
				const text = new URLSearchParams({ range: '7d', ...query }).toString();
				const rows = (await allRows(gateway, text)).filter((r) => r.state === 'ok');
				assert.equal(rows.length, await count('ChatInference', where), text);
				assert.equal((await api(gateway, `/logs/count?${text}&status=ok`)).body.n, rows.length, text);
			}
			await page.go('/logs?range=7d&provider=azure');
			const here = (await shownIds(page)).slice(0, 10);
			assert.ok(here.length > 3);
			const other = await page.context().newPage();
			await other.goto(page.url());
			await settled(other);
			assert.deepEqual((await shownIds(other)).slice(0, 10), here);
		});

		test(`a call of a tool stands beside its result (${kind})`, gateway, async (page) => {
			await page.go(`/logs/${world.ids.tools}`);
			const tool = page.locator('article[data-role=assistant]').filter({ hasText: 'lookup_order' }).first();
			await tool.getByText('"order_id"').waitFor();
			await tool.getByText('"shipped"').waitFor();
			await page.getByText('You are the support desk of Northwind.').waitFor();
			assert.deepEqual(await page.axe(), []);
			await page.go(`/logs/${world.ids.hostile}`);
			assert.equal(await page.locator('main img, main iframe, main script').count(), 0);
			assert.ok((await page.locator('main').innerText()).includes('<script>alert(1)</script>'));
		});

		test(`live with a filter shows only what matches (${kind})`, gateway, async (page) => {
			await page.goto(`${gateway.ui}/logs?model=qwen-max&live=1`); // a page that listens is never idle
			await page.locator('[role=row][data-id]').first().waitFor();
			await page.waitForTimeout(600);
			const word = `live ${Date.now()}`;
			await ask(gateway, { model: 'gpt-4o', messages: [{ role: 'user', content: `${word} other` }] });
			await ask(gateway, { model: 'qwen-max', messages: [{ role: 'user', content: word }] });
			await page.getByText(word).first().waitFor({ timeout: 6000 });
			assert.equal(await page.getByText(`${word} other`).count(), 0);
		});
	}

	test('a fallback after 429 shows both attempts in order', world.gateway, async (page) => {
		await page.go(`/logs/${world.ids.fallback}`);
		await page.getByRole('tab', { name: 'Timing' }).click();
		const text = await page.getByRole('group', { name: 'Timing' }).innerText();
		assert.ok(text.indexOf('1. openai') >= 0 && text.indexOf('1. openai') < text.indexOf('2. azure'), text);
		assert.match(text, /429/);
		assert.match(text, /fallback/);
		await page.getByRole('tab', { name: /Model calls/ }).click();
		await page.getByText(/Rate limit reached/).first().waitFor();
	});

	test('what ClickHouse does not keep of it is said', alone, async (page) => {
		await page.go(`/logs/${world.ids.fallback}`);
		await page.getByText('failed attempts, status codes, timing and signatures are not in its tables').waitFor();
	});

	test('a row opens while ClickHouse is away, the pages say that it is, and come back', alone, async (page, gateway) => {
		await clickhouse.kill();
		try {
			const response = await ask(gateway, { model: 'gpt-4o', messages: [{ role: 'user', content: 'while it is away' }] });
			await page.go(`/logs/${response.headers.get('x-signet-inference-id')}`);
			await page.getByText('while it is away').first().waitFor();
			await page.getByText('journal', { exact: true }).waitFor();
			await page.go('/logs');
			await page.getByText('while it is away').first().waitFor();
			await page.getByRole('button', { name: 'Continue' }).click();
			await page.getByText(/ClickHouse at 127\.0\.0\.1:\d+, database pages/).first().waitFor();
			await page.go(`/logs/${world.ids.tools}`);
			await page.getByText(/ClickHouse at 127\.0\.0\.1:\d+, database pages/).first().waitFor();
			await page.go('/?range=7d');
			await page.getByText(/ClickHouse at 127\.0\.0\.1:\d+, database pages/).first().waitFor();
		} finally {
			await clickhouse.start();
		}
		await page.go(`/logs/${world.ids.tools}`);
		await page.getByText('You are the support desk of Northwind.').waitFor();
	}, [/503|Failed to load/]);

	test('a query that takes too long is said to be incomplete', alone, async (page) => {
		await drained(alone);
		await clickhouse.fault({ do: 'error', match: 'FORMAT JSONCompactEachRow', times: 1000, code: 159, text: 'Timeout exceeded' });
		await page.go('/logs');
		await page.getByText('did not answer in time').first().waitFor();
		await clickhouse.forget();
		await page.getByRole('button', { name: 'Try again' }).first().click();
		await page.locator('[role=row][data-id]').first().waitFor();
	}, [/503|Failed to load/]);
}
