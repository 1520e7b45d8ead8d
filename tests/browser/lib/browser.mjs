// Chromium, and what every page is asked: no error in the console, no foreign request, no report of the policy.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--disable-gpu'] });

export async function open(browser, { width = 1440, height = 900, theme = 'light', language = 'en', base, allow = [] } = {}) {
	const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, locale: language, reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'], bypassCSP: false });
	const page = await context.newPage();
	page.setDefaultTimeout(8000);
	const wrong = [];
	await context.addInitScript(() => {
		window.policyReports = [];
		document.addEventListener('securitypolicyviolation', (e) => window.policyReports.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`));
	});
	page.on('console', (m) => { if (m.type() === 'error' && !allow.some((a) => a.test(m.text()))) wrong.push(`console: ${m.text()}`); });
	page.on('pageerror', (e) => wrong.push(`error: ${e.message}`));
	page.on('request', (r) => { const u = new URL(r.url()); if (/^https?:$/.test(u.protocol) && u.origin !== new URL(base).origin) wrong.push(`foreign request: ${r.url()}`); });
	page.wrong = wrong;
	page.check = async () => {
		const reports = await page.evaluate(() => window.policyReports ?? []);
		return [...wrong, ...reports.map((r) => `policy: ${r}`)];
	};
	page.axe = async () => {
		await page.evaluate(`(() => { const script = ${JSON.stringify(axe)}; (0, eval)(script); })()`).catch(() => undefined);
		if (!(await page.evaluate(() => 'axe' in window))) await context.newCDPSession(page).then((s) => s.send('Runtime.evaluate', { expression: axe }));
		const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
		return result.violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.slice(0, 3).map((n) => `   ${n.target.join(' ')} ${n.failureSummary?.split('\n')[1] ?? ''}`).join('\n')}`);
	};
	return page;
}

export const settled = async (page) => {
	await page.waitForLoadState('networkidle').catch(() => undefined);
	await page.waitForTimeout(350);
};
