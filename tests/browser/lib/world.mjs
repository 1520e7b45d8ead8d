// What all tests share: one seeded gateway, one browser, and a test that looks at the page's conscience at its end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, test as nodeTest } from 'node:test';
import { launch, open, settled } from './browser.mjs';
import { seed, stored } from './seed.mjs';

const few = process.env.SIGNET_BROWSER_SHORT === '1';
/** So many rows made by tests/bench/rows.c; 0: a day of traffic through the gateway. */
export const rowsStored = Number(process.env.SIGNET_BROWSER_ROWS ?? 0);
export const world = rowsStored ? await stored(rowsStored) : await seed({ steps: few ? 48 : 144, each: few ? 20 : 60 });
export const browser = await launch();
export const ui = world.gateway.ui;
after(async () => { await browser.close(); await world.stop(); });

/** A page of its own; at the end no error, no foreign request, no report of the policy. */
export function test(name, run, look = {}) {
	nodeTest(name, { timeout: 120000 }, async () => {
		const page = await open(browser, { base: ui, ...look });
		try {
			await run(page);
			assert.deepEqual(await page.check(), []);
		} catch (error) {
			await page.screenshot({ path: `/tmp/signet-browser-${name.replace(/\W+/g, '-').slice(0, 60)}.png` }).catch(() => undefined);
			throw error;
		} finally {
			await page.context().close();
		}
	});
}

export const go = async (page, path) => { await page.goto(ui + path); await settled(page); };

/** Rows of the record's database, as lists. */
export function sql(query) {
	const code = `import json, sqlite3, sys
db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
print(json.dumps(db.execute(sys.argv[2]).fetchall()))`;
	return JSON.parse(execFileSync('python3', ['-c', code, join(world.gateway.dir, 'data/signet.db'), query], { encoding: 'utf8', maxBuffer: 1 << 28 }));
}

export async function api(path) {
	const response = await fetch(`${world.gateway.url}/internal/signet${path}`, { headers: { host: 'localhost' } });
	return { status: response.status, body: await response.json().catch(() => null) };
}

/** Every row of a query, page by page. */
export async function allRows(query) {
	const rows = [];
	for (let cursor = ''; ;) {
		const { body } = await api(`/logs?limit=1000&${query}${cursor && `&cursor=${cursor}`}`);
		rows.push(...body.rows);
		if (!body.next) return rows;
		cursor = body.next;
	}
}

export const shownIds = (page) => page.locator('[role=row][data-id]').evaluateAll((rows) => rows.map((r) => r.dataset.id));
export { assert, settled };
