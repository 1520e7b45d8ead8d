// Every language has every key, and every key the code names is there: a missing one fails the build.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const read = (name) => JSON.parse(readFileSync(new URL(`../src/i18n/${name}.json`, import.meta.url), 'utf8'));
const en = read('en');
const zh = read('zh-CN');
const wrong = [];
const holes = (text) => [...text.matchAll(/{{\w+}}/g)].map((m) => m[0]).sort().join();
for (const key of Object.keys(en)) {
	if (!(key in zh)) wrong.push(`zh-CN.json lacks ${key}`);
	else if (holes(en[key]) !== holes(zh[key])) wrong.push(`zh-CN.json: ${key} has other placeholders than en.json`);
}
for (const key of Object.keys(zh)) if (!(key in en)) wrong.push(`en.json lacks ${key}`);

const sources = (dir) => readdirSync(dir).flatMap((f) => {
	const path = join(dir, f);
	return statSync(path).isDirectory() ? sources(path) : /\.tsx?$/.test(f) ? [path] : [];
});
let code = '';
for (const file of sources(new URL('../src', import.meta.url).pathname)) {
	const text = readFileSync(file, 'utf8');
	code += text;
	if (text.split('\n').length > 400) wrong.push(`${file}: over 400 lines`);
}
for (const key of Object.keys(en)) {
	const family = key.slice(0, key.lastIndexOf('.') + 1);
	if (!code.includes(`'${key}'`) && !code.includes('`' + family + '${')) wrong.push(`${key} is used nowhere`);
}
if (wrong.length) {
	console.error(wrong.join('\n'));
	process.exit(1);
}
