// node tests/browser/row.mjs URL TEXT: opens the web UI at URL, waits for a row whose inference holds TEXT in the list, opens it by a
// click as a reader would, and prints what the page shows of it. Status 1, with a screenshot's place, if it is not there.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, open, settled } from './lib/browser.mjs';

const [url, text] = process.argv.slice(2);
const browser = await launch();
const page = await open(browser, { base: url });
try {
	await page.goto(`${url}/logs`);
	const row = page.locator('[role=row][data-id]').filter({ hasText: text }).first();
	await row.waitFor({ timeout: 20000 });
	await row.dblclick();
	await settled(page);
	await page.getByText(text).first().waitFor();
	const wrong = await page.check();
	if (wrong.length) throw new Error(wrong.join('\n'));
	console.log(await page.locator('main').innerText());
} catch (e) {
	const shot = join(tmpdir(), 'signet-row.png');
	await page.screenshot({ path: shot }).catch(() => undefined);
	console.error(`${e.message}\n(see ${shot})`);
	process.exitCode = 1;
} finally {
	await browser.close();
}
