// What answers cost: the list, one inference, Overview; in both languages. What is not known is a dash, never 0.
import { allRows, assert, go, sql, test, world } from './lib/world.mjs';

const dollars = (nano) => nano / 1e9;

test('the list has the cost of an answer, and a dash where nobody knows it', async (page) => {
	const rows = await allRows('range=24h');
	assert.ok(rows.some((r) => r.cost > 0) && rows.some((r) => r.state === 'ok' && r.cost === null));
	assert.ok(!rows.some((r) => r.cost === 0));
	await go(page, '/logs?range=24h&model=gpt-4o');
	await page.locator('[role=row][data-id]').filter({ hasText: /\$0\.0\d+/ }).first().waitFor();
	await go(page, '/logs?range=24h&model=qwen-max');
	await page.locator('[role=row][data-id]').first().waitFor();
	assert.equal(await page.locator('[role=row][data-id]').filter({ hasText: '$' }).count(), 0);
});

test('one inference says what it cost and by which price', async (page) => {
	const [[id, nano, input, output]] = sql("SELECT id, cost_nano, input_tokens, output_tokens FROM InferenceById WHERE model_name = 'gpt-4o' AND cost_nano > 0 ORDER BY seq DESC LIMIT 1");
	assert.equal(nano, input * 2500 + output * 10000);
	await go(page, `/logs/${id}`);
	await page.getByRole('tab', { name: /Model calls/ }).click();
	await page.getByText("by the counts in the provider's answer").waitFor();
	assert.ok((await page.locator('main').innerText()).includes(`$${dollars(nano).toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: nano >= 1e7 ? 4 : 6 })}`));
});

test('the same in Chinese', async (page) => {
	const [[id]] = sql("SELECT id FROM InferenceById WHERE model_name = 'gpt-4o' AND cost_nano > 0 ORDER BY seq DESC LIMIT 1");
	await go(page, `/logs/${id}`);
	await page.getByRole('tab', { name: /模型调用/ }).click();
	await page.getByText('按供应商回答中的计数').waitFor();
}, { language: 'zh-CN' });

test('Overview adds up what is known, says of how many, and by model', async (page) => {
	await go(page, '/?range=24h&by=model');
	const tile = page.getByRole('link', { name: /^Cost/ });
	assert.match(await tile.locator('b').first().innerText(), /^\$\d+\.\d\d/);
	assert.match(await tile.innerText(), /[\d,]+ of [\d,]+ priced/);
	// the chart, as a table: its steps make up the sum
	const chart = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Cost over time' }) }).last();
	await chart.getByRole('button', { name: 'Table' }).click();
	await chart.locator('td.num', { hasText: '$' }).first().waitFor();
	const cells = (model) => page.locator('tr', { has: page.getByRole('link', { name: model, exact: true }) }).first().locator('td').allInnerTexts();
	assert.match((await cells('gpt-4o')).at(-1), /^\$\d/);
	assert.equal((await cells('qwen-max')).at(-1), '–');
});
