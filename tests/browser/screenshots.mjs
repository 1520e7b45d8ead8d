// Every page, light, dark, in Chinese, wide and narrow, filled and empty: docs/screenshots, to be looked at.
// usage: node screenshots.mjs [--out DIR] [--only WORD] [--small]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, open, settled } from './lib/browser.mjs';
import { configOf, root, startGateway } from './lib/gateway.mjs';
import { seed } from './lib/seed.mjs';

const option = (name) => { const i = process.argv.indexOf(name); return i < 0 ? null : process.argv[i + 1]; };
const out = option('--out') ?? join(root, 'docs/screenshots'), only = option('--only'), small = process.argv.includes('--small');

const pages = (ids) => [
	['overview', '/'], ['logs', '/logs'], ['logs-errors', '/logs?status=error'], ['logs-panel', `/logs?sel=${ids.tools}`],
	['inference', `/logs/${ids.tools}`], ['inference-timing', `/logs/${ids.fallback}`, (p) => p.keyboard.press('2')], ['inference-signature', `/logs/${ids.signed}`, (p) => p.keyboard.press('3')],
	['inference-failed', `/logs/${ids.failed}`], ['inference-hostile', `/logs/${ids.hostile}`], ['models', '/models'],
	['playground', '/playground?model=gpt-4o&model=claude-sonnet&prompt=Write+a+short+apology+to+a+customer', async (p) => { await p.click('button[type=submit]'); await p.waitForTimeout(1500); }],
	['keys', '/keys'], ['signers', '/signers'], ['settings', '/settings'],
];
const empty = [['overview-empty', '/'], ['logs-empty', '/logs'], ['logs-no-match', '/logs?model=nothing-like-this'], ['models-empty', '/models'], ['keys-empty', '/keys'], ['signers-empty', '/signers'], ['unknown-id', '/logs/0197c0de-0000-7000-8000-000000000000']];

async function shoot(browser, base, list, look) {
	const page = await open(browser, { ...look, base, allow: [/./] });
	for (const [name, path, act] of list) {
		if (only && !name.includes(only)) continue;
		await page.goto(base + path);
		await settled(page);
		if (act) { await act(page); await settled(page); }
		await page.screenshot({ path: join(out, `${name}${look.suffix}.png`) });
	}
	await page.context().close();
}

mkdirSync(out, { recursive: true });
const s = await seed({ steps: small ? 48 : 144, each: small ? 12 : 30, large: false });
const { csrf } = await fetch(`${s.gateway.url}/internal/signet/session`).then((r) => r.json());
for (const description of ['app-production', 'support-desk', 'nightly-batch'])
	await fetch(`${s.gateway.url}/internal/signet/keys`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-signet-csrf': csrf }, body: JSON.stringify({ description, ...(description === 'nightly-batch' ? { role: 'viewer' } : {}) }) });
const browser = await launch();
const looks = [{ suffix: '-light', theme: 'light' }, { suffix: '-dark', theme: 'dark' }, { suffix: '-zh', theme: 'light', language: 'zh-CN' }, { suffix: '-narrow', theme: 'light', width: 390, height: 844 }];
for (const look of small ? looks.slice(0, Number(option('--looks') ?? 1)) : looks) await shoot(browser, s.gateway.ui, pages(s.ids), look);
const bare = await startGateway({ config: configOf(s.upstream.url).split('[models')[0] });
for (const look of small ? looks.slice(0, 1) : looks) await shoot(browser, bare.ui, empty, look);
const locked = await startGateway({ config: configOf(s.upstream.url).split('[models')[0], env: { SIGNET_UI_PASSWORD: 'a password for pictures' } });
for (const look of small ? looks.slice(0, 1) : looks) await shoot(browser, locked.ui, [['login', '/']], look);
await browser.close();
await locked.stop();
await bare.stop();
await s.stop();
