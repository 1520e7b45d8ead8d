// The shapes of the routes under /internal/signet. tests/golden/ui holds an example of each.

export type Role = 'none' | 'viewer' | 'editor' | 'admin';

export interface Session {
	user: string | null;
	role: Role;
	method: string;
	csrf: string;
	expires_at: string | null;
	version: string;
	base: string;
	public_url: string | null;
	features: string[];
}

export type State = 'ok' | 'error' | 'cancelled' | 'truncated';

export interface Row {
	id: string;
	t: string;
	state: State;
	status: number | null;
	error_kind: string | null;
	function: string | null;
	variant: string | null;
	model: string | null;
	provider: string | null;
	surface: string | null;
	type: string | null;
	stream: boolean;
	cached: boolean;
	signed: boolean;
	attempts: number;
	ms: number | null;
	ttft_ms: number | null;
	in: number | null;
	out: number | null;
	estimated: boolean;
	cost: number | null;
	finish: string | null;
	key: string | null;
	episode_id: string | null;
	tools: number;
	tags: Record<string, string | undefined>;
	metrics: Record<string, unknown>;
	preview_in: string | null;
	preview_out: string | null;
}

export interface Page {
	rows: Row[];
	next: string | null;
	searched_to: string | null;
	partial?: boolean;
	took_ms: number;
}

export interface Histogram {
	from: string;
	step_s: number;
	ok: number[];
	err: number[];
	partial?: boolean;
}

export interface Count {
	n: number;
	exact: boolean;
}

export interface Facets {
	facets: Record<string, { v: string; n: number | null }[]>;
}

export interface Part {
	bytes: number;
	inline: unknown;
	cut: boolean;
}

export interface Signature {
	signer: string;
	module_sha256: string;
	abi: string;
	nonce: string;
	timestamp: string | number;
	us: number;
	headers: string[];
	head: string;
	bytes: number;
}

export interface Usage {
	input_tokens?: number | null;
	output_tokens?: number | null;
	cache_read_tokens?: number | null;
	cache_write_tokens?: number | null;
	cache_write_1h_tokens?: number | null;
	reasoning_tokens?: number | null;
}

/** What was used to reckon a cost: the provider's own figures, or dollars a million tokens of the list of prices. */
export type Price = { from: 'cost' } | { from: 'prices'; date: string; match: string; input: number; output: number; cache_read: number; cache_write: number; cache_write_1h: number; reasoning: number };

export interface Attempt {
	n: number;
	why: 'first' | 'retry' | 'fallback';
	delay_ms: number | null;
	variant: string | null;
	model: string | null;
	provider: string | null;
	model_inference_id: string | null;
	http_status: number | null;
	error: string | null;
	usage: Usage | null;
	cost: number | null;
	price?: Price | null;
	finish: string | null;
	raw_request: Part | null;
	raw_response: Part | null;
	signature: Signature | null;
}

export interface Span {
	name: string;
	start_ms: number;
	end_ms: number;
	attempt?: number;
}

export interface Detail {
	row: Row;
	input: Part | null;
	output: Part | null;
	params: { key: string; value: unknown; from: string }[];
	tools: unknown;
	extra_body: unknown;
	tags: Record<string, string | undefined>;
	config_hash: string | null;
	limits: unknown[];
	spans: Span[];
	record: { state: 'journal' | 'stored'; sink: string | null; journal_ms: number | null };
	attempts: Attempt[];
	error?: string | null;
}

export interface ProviderHealth {
	model: string;
	provider: string;
	state: 'ok' | 'failing' | 'idle';
	circuit: null;
	since: string | null;
	in_flight: number;
	n_5m: number;
	err_5m: number;
	p95_ms: number | null;
	ttft95_ms: number | null;
	last_error: { t: string; status: number | null; text: string } | null;
}

export interface Health {
	uptime_s: number;
	config_hash: string;
	files_changed: boolean;
	workers: { connections: number; streams: number; loop_lag_ms: number }[];
	rss: number;
	record: {
		policy: string;
		segments: number;
		bytes: number;
		rows: number;
		oldest_s: number;
		limit_bytes: number;
		disk_free: number;
		full_in_s: number | null;
		unrecorded: number;
		/** All rows are in ClickHouse, which keeps no request that failed. */
		answers_only: boolean;
		sink: { type: string; state: 'ok' | 'slow' | 'down' | 'blocked'; since: string | null; last_ok: string | null; rows_per_s: number | null; error: string | null };
	};
	providers: ProviderHealth[];
}

export interface Series {
	by: string | null;
	n: number[];
	err: number[];
	in: number[];
	out: number[];
	cost: (number | null)[];
	priced: number[];
	p50: (number | null)[];
	p95: (number | null)[];
	p99: (number | null)[];
	ttft50: (number | null)[];
	ttft95: (number | null)[];
}

export interface Total {
	n: number;
	err: number;
	in: number;
	out: number;
	cost: number | null;
	priced: number;
	p50: number | null;
	p95: number | null;
	p99: number | null;
	ttft50: number | null;
	ttft95: number | null;
}

export interface OverviewData {
	from: string;
	to: string;
	step_s: number;
	series: Series[];
	total: Total;
	before: Total;
	partial?: boolean;
}

export interface Discovered {
	provider: string;
	fetched_at: string | null;
	next_at: string | null;
	error: string | null;
	items: { displayName: string; modelName: string; modelType: string | null; isNew: boolean; usageLeft: number | null; usable: boolean; why: string | null }[];
}

export interface ModelProvider {
	name: string;
	type: string;
	model_name: string | null;
	host: string | null;
	credential: string | null;
	signer: string | null;
	priced: boolean;
}

export interface Models {
	models: { name: string; kind: string; routing: string[]; used_by: { function: string; variant: string }[]; providers: ModelProvider[] }[];
	discovered: Discovered[];
}

export interface SignerInfo {
	id: string;
	kind: string;
	path: string | null;
	bytes: number | null;
	sha256: string | null;
	pinned: boolean;
	abi: string | null;
	abi_why: string | null;
	exports: string[];
	imports: string[];
	pages: number | null;
	limit_mb: number;
	timeout_ms: number;
	calls: number;
	traps: number;
	timeouts: number;
	pool: { size: number; busy: number; made: number; discarded: number };
	us: { p50: number | null; p99: number | null; max: number | null };
	by_size: { le: number | null; // null: larger ones
		 n: number; us50: number | null }[];
	last_error: string | null;
}

export interface SignTest {
	headers: Record<string, string>;
	us: { first: number; p50: number; p99: number };
	pages: number;
}

export interface ConfigEntry {
	key: string;
	value: unknown;
	from: 'file' | 'env' | 'cli' | 'default';
	file?: string;
	line?: number;
	deprecated?: boolean;
	ignored?: boolean;
	needs_restart?: boolean;
	running?: unknown;
}

export interface ConfigView {
	hash: string;
	loaded_at: string;
	files: { path: string; sha256: string }[];
	entries: ConfigEntry[];
	history: { hash: string; loaded_at: string }[];
}

export interface ConfigCheck {
	ok: boolean;
	hash: string | null;
	errors: { file: string; line: number; key: string; text: string }[];
	diff: { key: string; old: unknown; new: unknown; file: string | null; line: number | null; when: 'now' | 'restart' }[];
}

export interface KeyInfo {
	public_id: string;
	description: string | null;
	created_at: string;
	created_by: string | null;
	expires_at: string | null;
	disabled_at: string | null;
	role: Role | null;
	last_used_at: string | null;
	use_30d: { n: number; tokens: number; cost: number | null } | null;
}

export interface TestEvent {
	stage?: string;
	ms?: number;
	ok?: boolean;
	http_status?: number | null;
	text?: string | null;
	usage?: Usage | null;
	cost?: number | null;
	error?: string | null;
}
