// The real binary with a configuration of several models before the mock, and `signet ui` before it.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(fileURLToPath(import.meta.url), '../../../..');
export const binary = process.env.SIGNET_UI_BIN ?? join(root, 'build/signet');
/** The one with the sanitizers, which knows SIGNET_FAULT; where it was not built, the other. */
export const debugBinary = existsSync(join(root, 'build-asan/signet')) ? join(root, 'build-asan/signet') : binary;

const provider = (model, name, upstream, target, more = '') => `
[models."${model}".providers.${name}]
type = "openai"
api_base = "${upstream}"
model_name = "${target}"
api_key_location = "env::MOCK_KEY"
${more}`;

// Of some models it is known what they cost, of others not.
const cost = 'cost = [{ pointer = "/usage/prompt_tokens", cost_per_million = 2.5 }, { pointer = "/usage/completion_tokens", cost_per_million = 10 }]';

export function configOf(upstream, api, wasm) {
	const one = (model, name, target = model) => `[models."${model}"]\nrouting = ["${name}"]\n${provider(model, name, upstream, target)}\n`;
	return `[gateway]
bind_address = "127.0.0.1:0"

[models.gpt-4o]
routing = ["openai", "azure"]
${provider('gpt-4o', 'openai', upstream, 'gpt-4o', cost)}${provider('gpt-4o', 'azure', upstream, 'gpt-4o', cost)}
[models.gpt-4o-fallback]
routing = ["openai", "azure"]
${provider('gpt-4o-fallback', 'openai', upstream, 'fail-429')}${provider('gpt-4o-fallback', 'azure', upstream, 'gpt-4o')}
[models.broken]
routing = ["edge"]
${provider('broken', 'edge', upstream, 'fail-503')}
${one('claude-sonnet', 'bedrock')}${one('deepseek-chat', 'deepseek')}${one('qwen-max', 'dashscope')}${one('gemini-flash', 'vertex')}
${api ? `[models.sonnet-signed]
routing = ["devapi"]
[models.sonnet-signed.providers.devapi]
type = "rust-proxy"
model_name = "claude-3.5-sonnet"
api_endpoint = "${api}"
device_id_location = "env::DEVICE_ID"
session_id_location = "env::SID"
signer = { path = "${wasm}" }
` : ''}`;
}

/** Starts a program; resolves with what its standard error says about where it listens. */
function launch(args, env, said, program = binary) {
	const child = spawn(program, args, { env: { ...process.env, SIGNET_LOG: 'info', MOCK_KEY: 'sk-mock-canary', ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
	let log = '';
	return new Promise((ready, failed) => {
		child.stderr.setEncoding('utf8').on('data', (text) => {
			log += text;
			const found = said.exec(log);
			if (found) ready({ child, address: found[1], log: () => log });
		});
		child.once('exit', (code) => failed(new Error(`${args.join(' ')} ended with ${code}:\n${log}`)));
	});
}

async function end(child) {
	if (child.exitCode !== null) return;
	const gone = new Promise((r) => child.once('exit', r));
	child.kill('SIGTERM');
	await gone;
}

export async function startGateway({ config, dir = mkdtempSync(join(tmpdir(), 'signet-ui-')), env = {}, keep = false, program = binary }) {
	const file = join(dir, 'signet.toml');
	writeFileSync(file, config);
	const p = await launch(['serve', '--config-file', file, '--data-dir', join(dir, 'data'), '--log-format', 'json'], { DEVICE_ID: 'device-canary', SID: 'sid-canary', ...env }, /listening on ([\d.]+:\d+)/, program);
	return {
		dir, log: p.log, url: `http://${p.address}`, ui: `http://${p.address.replace('127.0.0.1', 'localhost')}/ui`, child: p.child,
		stop: async () => { await end(p.child); if (!keep) rmSync(dir, { recursive: true, force: true }); },
	};
}

export async function startUi(gateway, env = {}) {
	const p = await launch(['ui', '--gateway-url', gateway.url, '--bind-address', '127.0.0.1:0'], env, /is at http:\/\/([\d.]+:\d+)/);
	return { url: `http://${p.address.replace('127.0.0.1', 'localhost')}`, log: p.log, stop: () => end(p.child) };
}

/** The sample developer API and the sample signer. */
export async function startDeveloperApi(dir) {
	const wasm = join(dir, 'sign.wasm');
	execFileSync(join(root, 'examples/signers/hmac/build.sh'), [wasm], { cwd: root, stdio: 'ignore' });
	const child = spawn('python3', [join(root, 'examples/developer-api/server.py'), '--port', '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
	const port = await new Promise((r) => { let out = ''; child.stdout.setEncoding('utf8').on('data', (t) => { out += t; const m = /listening on (\d+)/.exec(out); if (m) r(m[1]); }); });
	return { url: `http://127.0.0.1:${port}/stream/chat`, wasm, stop: () => end(child) };
}

export function buildClock(dir) {
	const so = join(dir, 'clock.so');
	if (!existsSync(so)) execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', so, join(root, 'tests/browser/lib/clock.c')]);
	return so;
}

export const readLog = (file) => readFileSync(file, 'utf8');
