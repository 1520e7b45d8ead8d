// ClickHouse's engine behind its HTTP interface, as tests/clickhouse has it (server.py).
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './gateway.mjs';

const python = join(root, '.venv/bin/python');
const login = { 'x-clickhouse-user': 'signet', 'x-clickhouse-key': 'secret' };
/** The tests' Python packages are there. */
export const there = existsSync(python);

export async function startClickHouse() {
	const folder = mkdtempSync(join(tmpdir(), 'clickhouse-browser-'));
	let port = 0, child = null;
	const start = () => new Promise((ready, failed) => {
		child = spawn(python, [join(root, 'tests/clickhouse/server.py'), folder, '--user', 'signet', '--password', 'secret', '--port', String(port)], { stdio: ['pipe', 'pipe', 'ignore'] });
		child.stdout.setEncoding('utf8').once('data', (text) => { port = Number(/:(\d+)/.exec(text.slice(10))[1]); ready(); });
		child.once('exit', (code) => failed(new Error(`the ClickHouse of the tests ended with ${code}: run ./dev setup`)));
	});
	const kill = () => new Promise((gone) => { child.once('exit', gone); child.kill('SIGKILL'); });
	await start();
	const url = () => `http://127.0.0.1:${port}`;
	return {
		start, kill,
		address: (database) => `http://signet:secret@127.0.0.1:${port}/${database}`,
		/** Rows of a query, as objects. */
		ask: async (sql, database) => {
			const answer = await fetch(`${url()}/?database=${database}&output_format_json_quote_64bit_integers=0`, { method: 'POST', headers: login, body: `${sql} FORMAT JSONEachRow` });
			const text = await answer.text();
			if (!answer.ok) throw new Error(text);
			return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
		},
		fault: (what) => fetch(`${url()}/fault`, { method: 'POST', headers: login, body: JSON.stringify(what) }),
		forget: () => fetch(`${url()}/fault`, { method: 'DELETE', headers: login }),
		close: async () => { await kill(); rmSync(folder, { recursive: true, force: true }); },
	};
}
