/*
 * A record of any size, as a month of real traffic leaves it: few models, functions and keys have most of the rows, lengths
 * and times have long tails, days are busier than nights, some requests fail, some fall back, some belong to long episodes;
 * the text is English and Chinese. Rows go through the gateway's own sink, as the drainer gives them to it, and then the
 * sink does the work that can wait: so sums, values and the word index are those of a gateway.
 *
 *     bench-rows DIR ROWS [SEED] [UNTIL_MS]
 *
 * Makes DIR/signet.db. The same seed and the same end (Unix ms; else now) give the same rows, byte for byte.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "store/sink.h"

#define DAYS      30
#define HOURS     (DAYS * 24)
#define BATCH     4000
#define WORDS     4000
#define EPISODES  40
#define BIG_BYTES 5000000 /* of one output, for pages that must not freeze at it */
#define HASH      "111577600112233445566778899001122334455667788990011223344556677889900776"

/* ---- chance ---- */

static uint64_t state;

static uint64_t roll64(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static double roll(void) /* 0 <= x < 1 */
{
	return (double)(roll64() >> 11) / 9007199254740992.0;
}

static bool chance(double part)
{
	return roll() < part;
}

/* 0..n-1, the k-th some 1/k as often as the first. */
static unsigned skewed(unsigned n)
{
	unsigned k = (unsigned)exp(roll() * log(n + 1.0)) - 1;

	return k < n ? k : n - 1;
}

/* Log-normal: half of them are below the median, a hundredth above exp(2.33 * spread) times it. */
static double tail(double median, double spread)
{
	double u = roll() + 1e-12, v = roll();

	return median * exp(spread * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
}

/* ---- what there is to say ---- */

static const char *const english[] = {
	"the",       "a",         "to",        "of",      "and",       "order",     "is",
	"my",        "in",        "for",       "please",  "refund",    "it",        "with",
	"customer",  "invoice",   "that",      "on",      "you",       "delivery",  "not",
	"account",   "policy",    "shipping",  "we",      "password",  "report",    "was",
	"summarise", "contract",  "deploy",    "error",   "payment",   "train",     "table",
	"query",     "translate", "address",   "cancel",  "parcel",    "service",   "index",
	"meeting",   "database",  "schedule",  "price",   "quarterly", "answer",    "document",
	"question",  "function",  "paragraph", "station", "friendly",  "apologies", "subscription",
};
static const char *const chinese[] = {
	"我",   "的",   "订单", "退款", "请",   "包裹", "没有", "收到", "发票", "客户",
	"可以", "帮助", "密码", "账户", "取消", "物流", "地址", "合同", "翻译", "这段",
	"总结", "报告", "会议", "数据", "查询", "价格", "付款", "感谢", "问题", "服务",
};
#define RARE_ENGLISH "zyzzyva"
#define RARE_CHINESE "麒麟"
static const char arabic[] = "مرحبا، أريد استرداد المبلغ";

static char made[WORDS][16]; /* words beyond those above */

static void make_words(void)
{
	static const char *const syllables[] = {
		"ra", "ne",  "to", "mi", "ka", "lo", "ve",  "su",
		"di", "bor", "en", "ul", "is", "an", "per", "gal"
	};

	for (unsigned i = 0; i < WORDS; i++)
		for (unsigned k = 0, n = i, len = 2 + i % 3; k < len; k++, n /= 16)
			strcat(made[i], syllables[(n + k * 5) % 16]);
}

static void say_english(struct buf *out, unsigned words)
{
	for (unsigned i = 0; i < words; i++) {
		const char *word =
			chance(0.7) ? english[skewed(COUNT(english))] : made[skewed(WORDS)];

		buf_append(out, i ? B(" ") : B(""));
		buf_append(out, bytes_of(word));
		if (i % 12 == 11)
			buf_append(out, B("."));
	}
}

static void say_chinese(struct buf *out, unsigned words)
{
	for (unsigned i = 0; i < words; i++) {
		buf_append(out, bytes_of(chinese[skewed(COUNT(chinese))]));
		if (i % 8 == 7)
			buf_append(out, B("，"));
	}
}

/* Nothing in it needs an escape in JSON, so the same bytes stand in every place. */
static void say(struct buf *out, int language, unsigned words)
{
	buf_reset(out);
	if (language == 2)
		buf_append(out, bytes_of(arabic));
	else if (language == 1)
		say_chinese(out, words);
	else
		say_english(out, words);
	if (chance(0.00002))
		buf_append(out, language == 1 ? B(RARE_CHINESE) : B(" " RARE_ENGLISH));
}

/* ---- a row ---- */

struct facts {
	uint64_t ms;
	char id[UUID_TEXT + 1], call[UUID_TEXT + 1], episode[UUID_TEXT + 1];
	unsigned function, variant, model, provider, key, surface, user, team;
	bool stream, cached, is_signed, fell_back, ok;
	const char *state, *kind, *finish;
	int status, in, out, took, ttft;
	int64_t cost; /* -1: not known */
};

static char episodes[EPISODES][UUID_TEXT + 1];
static struct buf input, output, text;
static uint64_t count;

static void make_id(char out[UUID_TEXT + 1], uint64_t ms)
{
	struct uuid u;
	uint64_t a = roll64(), b = roll64();

	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	memcpy(u.b + 6, &a, 8);
	memcpy(u.b + 14, &b, 2);
	u.b[6] = (u.b[6] & 0x0f) | 0x70;
	u.b[8] = (u.b[8] & 0x3f) | 0x80;
	uuid_print(u, out);
}

static void choose_end(struct facts *f)
{
	static const struct {
		const char *kind;
		int status;
	} failures[] = { { "rate_limit", 429 }, { "server", 502 },  { "timeout", 408 },
			 { "client", 400 },     { "context", 400 }, { "auth", 401 },
			 { "overload", 503 },   { "quota", 402 },   { "content_filter", 400 } };
	double x = roll();

	f->ok = x >= 0.03;
	f->state = "ok";
	f->status = 200;
	f->finish = chance(0.03) ? "length" : chance(0.06) ? "tool_call" : "stop";
	if (!f->ok) {
		unsigned k = skewed(COUNT(failures));

		f->state = "error";
		f->kind = failures[k].kind;
		f->status = failures[k].status;
		f->finish = NULL;
	} else if (x < 0.035) {
		f->state = "cancelled";
		f->finish = NULL;
	} else if (x < 0.037) {
		f->state = "truncated";
		f->kind = "server";
		f->finish = NULL;
	}
}

static void choose(struct facts *f, uint64_t ms)
{
	*f = (struct facts){ .ms = ms };
	make_id(f->id, ms);
	make_id(f->call, ms + 1);
	f->model = skewed(20);
	f->function = skewed(12);
	f->variant = skewed(f->function ? 3 : 2);
	f->provider = (f->model + skewed(3)) % 8;
	f->key = skewed(201); /* the last: none */
	f->surface = chance(0.9) ? 0 : chance(0.95) ? 1 : 2;
	f->user = skewed(3000);
	f->team = skewed(8);
	f->stream = chance(0.6);
	f->cached = chance(0.01);
	f->is_signed = chance(0.002);
	f->fell_back = chance(0.01);
	choose_end(f);
	memcpy(f->episode, chance(0.01) ? episodes[skewed(EPISODES)] : f->id, sizeof(f->episode));
}

/* Some thirds of a word are a token; time goes by the length of the answer. */
static void measure(struct facts *f)
{
	double price = 0.0000002 * (f->model % 7 + 1);

	f->in = (int)(input.len / 4 + 20);
	f->out = (int)(output.len / 4 + 1);
	f->ttft = (int)tail(350, 0.7);
	f->took = f->ttft + (int)(f->out * tail(9, 0.4));
	f->cost = f->model % 10 == 9 ? -1 : (int64_t)llround((f->in + 4 * f->out) * price * 1e9);
}

static void name_model(struct buf *b, const struct facts *f)
{
	static const char *const names[] = { "gpt-4o",        "claude-sonnet", "deepseek-chat",
					     "gemini-flash",  "qwen-max",      "gpt-4o-mini",
					     "mistral-large", "llama-70b" };

	if (f->model < COUNT(names))
		buf_append(b, bytes_of(names[f->model]));
	else
		buf_printf(b, "model-%u", f->model);
}

static void name_function(struct buf *b, const struct facts *f)
{
	static const char *const names[] = { "tensorzero::default", "support", "search",
					     "summarise" };

	if (f->function < COUNT(names))
		buf_append(b, bytes_of(names[f->function]));
	else
		buf_printf(b, "function-%u", f->function);
}

static void name_provider(struct buf *b, unsigned provider)
{
	static const char *const names[] = { "openai",    "azure", "bedrock", "vertex",
					     "dashscope", "groq",  "vllm",    "devapi" };

	buf_append(b, bytes_of(names[provider]));
}

/* "function_name":"…","variant_name":"…" */
static void put_function(struct buf *b, const struct facts *f)
{
	buf_append(b, B("\"function_name\":\""));
	name_function(b, f);
	buf_append(b, B("\",\"variant_name\":\""));
	if (f->function)
		buf_printf(b, "v%u\"", f->variant + 1);
	else
		name_model(b, f), buf_append(b, B("\""));
}

static void put_model(struct buf *b, const struct facts *f)
{
	buf_append(b, B("\"model_name\":\""));
	name_model(b, f);
	buf_append(b, B("\",\"model_provider_name\":\""));
	name_provider(b, f->provider);
	buf_append(b, B("\""));
}

static void put_text(struct buf *b, const char *name, const char *value)
{
	if (value)
		buf_printf(b, ",\"%s\":\"%s\"", name, value);
	else
		buf_printf(b, ",\"%s\":null", name);
}

static void add_part(struct record *r, unsigned part)
{
	struct buf *b = record_open_part(r, part);

	if (b && !buf_append(b, buf_bytes(&text)))
		record_close_part(r);
	buf_reset(&text);
}

static const char *const roles[] = { "You are the support desk of Northwind. Answer briefly." };

static void add_chat(struct record *r, const struct facts *f)
{
	buf_printf(&text, "{\"id\":\"%s\",", f->id);
	put_function(&text, f);
	buf_printf(
		&text,
		",\"episode_id\":\"%s\",\"input\":{\"system\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"%.*s\"}]}]},\"output\":[{\"type\":\"text\",\"text\":\"%.*s\"}],\"inference_params\":{\"chat_completion\":{\"temperature\":0.%u,\"max_tokens\":400}},\"processing_time_ms\":%d,\"ttft_ms\":",
		f->episode, roles[0], BFMT(buf_bytes(&input)), BFMT(buf_bytes(&output)),
		(unsigned)(roll64() % 10), f->took);
	buf_printf(&text, f->stream ? "%d" : "null", f->ttft);
	buf_printf(
		&text,
		",\"tags\":{\"team\":\"team-%u\",\"user\":\"u%u\"},\"extra_body\":[],\"snapshot_hash\":\"" HASH
		"\"}",
		f->team, f->user);
	add_part(r, ROW_CHAT_INFERENCE);
}

static void add_model(struct record *r, const struct facts *f)
{
	buf_append(&text, B("{\"model\":\""));
	name_model(&text, f);
	buf_printf(
		&text,
		"\",\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},{\"role\":\"user\",\"content\":\"%.*s\"}],\"max_tokens\":400}",
		roles[0], BFMT(buf_bytes(&input)));
	add_part(r, TEXT_PART | TEXT_RAW_REQUEST);
	buf_printf(
		&text,
		"{\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%.*s\"},\"finish_reason\":\"stop\"}]}",
		f->call, BFMT(buf_bytes(&output)));
	add_part(r, TEXT_PART | TEXT_RAW_RESPONSE);
	buf_printf(&text,
		   "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"%.*s\"}]}]",
		   BFMT(buf_bytes(&input)));
	add_part(r, TEXT_PART | TEXT_INPUT_MESSAGES);
	buf_printf(&text, "[{\"type\":\"text\",\"text\":\"%.*s\"}]", BFMT(buf_bytes(&output)));
	add_part(r, TEXT_PART | TEXT_OUTPUT);
	buf_printf(&text, "{\"id\":\"%s\",\"inference_id\":\"%s\",", f->call, f->id);
	put_function(&text, f);
	buf_printf(
		&text,
		",\"system\":\"%s\",\"input_tokens\":%d,\"output_tokens\":%d,\"response_time_ms\":%d,",
		roles[0], f->in, f->out, f->took);
	put_model(&text, f);
	buf_printf(&text, f->stream ? ",\"ttft_ms\":%d" : ",\"ttft_ms\":null", f->ttft);
	buf_printf(&text, ",\"cached\":%s", f->cached ? "true" : "false");
	if (f->cost >= 0)
		buf_printf(&text, ",\"cost\":%.9f", (double)f->cost / 1e9);
	put_text(&text, "finish_reason", f->finish);
	buf_append(&text, B(",\"snapshot_hash\":\"" HASH "\"}"));
	add_part(r, ROW_MODEL_INFERENCE);
}

static void add_error(struct record *r, const struct facts *f)
{
	buf_printf(&text, "{\"id\":\"%s\",\"error\":", f->id);
	buf_append(&text, f->ok ? B("null")
				: B("\"All providers of the model failed: please slow down\""));
	buf_append(&text, B(",\"attempts\":[{\"model\":\""));
	name_model(&text, f);
	buf_append(&text, B("\",\"provider\":\""));
	name_provider(&text, f->ok ? (f->provider + 1) % 8 : f->provider);
	buf_printf(
		&text,
		"\",\"why\":\"first\",\"delay_ms\":0,\"status\":%d,\"error\":\"Rate limit reached for requests. Please slow down.\"}]}",
		f->ok ? 429 : f->status);
	add_part(r, ROW_REQUEST_ERROR);
}

static struct bytes preview(const struct buf *b)
{
	struct bytes out = bytes_head(buf_bytes(b), 160);

	while (out.n && !bytes_is_utf8(out))
		out.n--;
	return out;
}

static void add_list(struct record *r, const struct facts *f)
{
	static const char *const surfaces[] = { "chat", "openai", "completions" };

	buf_printf(&text, "{\"id\":\"%s\",", f->id);
	put_function(&text, f);
	buf_printf(&text,
		   ",\"episode_id\":\"%s\",\"function_type\":\"chat\",\"snapshot_hash\":\"" HASH
		   "\",\"state\":\"%s\",\"status\":%d",
		   f->episode, f->state, f->status);
	put_text(&text, "error_kind", f->kind);
	buf_printf(&text, ",\"surface\":\"%s\",\"stream\":%d,\"cached\":%d,\"signed\":%d,",
		   surfaces[f->surface], f->stream, f->cached, f->is_signed);
	put_model(&text, f);
	if (f->key < 200)
		buf_printf(&text, ",\"key_public_id\":\"key%09u\"", f->key);
	buf_printf(&text, ",\"attempts\":%d", 1 + f->fell_back);
	if (f->ok)
		buf_printf(&text, ",\"input_tokens\":%d,\"output_tokens\":%d", f->in, f->out);
	if (f->ok && f->cost >= 0)
		buf_printf(&text, ",\"cost_nano\":%" PRId64, f->cost);
	buf_printf(&text, ",\"processing_time_ms\":%d", f->took);
	if (f->ok && f->stream)
		buf_printf(&text, ",\"ttft_ms\":%d", f->ttft);
	put_text(&text, "finish_reason", f->finish);
	buf_printf(&text, ",\"estimated\":false,\"tools\":0,\"preview_in\":\"%.*s\"",
		   BFMT(preview(&input)));
	buf_printf(&text, ",\"preview_out\":\"%.*s\",\"calls\":[", BFMT(preview(&output)));
	if (f->ok)
		buf_printf(
			&text,
			"{\"id\":\"%s\",\"attempt\":%d,\"http_status\":200,\"signature\":null,\"spans\":[{\"name\":\"wait\",\"start_ms\":1,\"end_ms\":%d}]}",
			f->call, 1 + f->fell_back, f->took);
	buf_append(&text, B("]}"));
	add_part(r, ROW_INFERENCE_BY_ID);
}

static void make_record(struct record *r, uint64_t ms, bool big)
{
	struct facts f;
	int language = chance(0.25) ? 1 : chance(0.02) ? 2 : 0;

	choose(&f, ms);
	say(&input, language, (unsigned)fmin(tail(45, 0.9), 6000) + 1);
	say(&output, language, (unsigned)fmin(tail(60, 0.9), 6000) + 1);
	if (!f.ok)
		buf_reset(&output);
	while (big && output.len < BIG_BYTES)
		buf_append(&output, B(" and so on, and so forth, and so on again"));
	measure(&f);
	record_init(r);
	if (f.ok) {
		add_chat(r, &f);
		add_model(r, &f);
	}
	if (!f.ok || f.fell_back)
		add_error(r, &f);
	add_list(r, &f);
}

/* ---- when ---- */

static double share[HOURS + 1]; /* of the rows, up to each hour */

/* Weekends have half of a weekday's traffic, nights a fifth of a day's. */
static void shape_month(uint64_t first_ms)
{
	for (unsigned h = 0; h < HOURS; h++) {
		uint64_t hour = first_ms / 3600000 + h;
		double day = 0.6 - 0.4 * cos(2 * M_PI * ((double)(hour % 24) - 2) / 24);

		share[h + 1] = share[h] + day * ((hour / 24 + 4) % 7 % 6 ? 1 : 0.5);
	}
}

/* The time of the i-th of n rows. */
static uint64_t time_of(uint64_t first_ms, uint64_t i, uint64_t n)
{
	static unsigned h;
	double at = share[HOURS] * ((double)i + roll()) / (double)n;

	while (h && share[h] > at)
		h--;
	while (h < HOURS - 1 && share[h + 1] <= at)
		h++;
	return first_ms + h * 3600000 +
	       (uint64_t)(3599999 * (at - share[h]) / (share[h + 1] - share[h]));
}

/* ---- the store ---- */

static void want(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "bench-rows: %s\n", what);
	exit(1);
}

static void add_rows(struct sink *s, uint64_t first_ms, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct record r;
		struct record_view v = { .type = RECORD_GROUP };

		if (!(i % BATCH))
			want(s->type->begin(s) == SINK_OK, s->error);
		make_record(&r, time_of(first_ms, i, n), i == n / 2 && n >= 1000);
		v.payload = buf_bytes(&r.payload);
		v.parts = r.parts;
		want(s->type->add(s, &v) == SINK_OK, s->error);
		count += r.payload.len;
		record_deinit(&r);
		if (i % BATCH == BATCH - 1 || i == n - 1) {
			want(s->type->commit(s, 0) == SINK_OK, s->error);
			s->type->idle(s, 0);
		}
	}
}

static double seconds(void)
{
	return (double)clock_mono_ms() / 1000;
}

int main(int argc, char **argv)
{
	uint64_t n = 0, seed = 1, until = clock_unix_ms(), first;
	struct sink_options o = { 0 };
	struct sink *s;
	double began = seconds(), stored;

	if (argc < 3 || argc > 5 || !bytes_to_u64(bytes_of(argv[2]), &n) || !n ||
	    (argc > 3 && !bytes_to_u64(bytes_of(argv[3]), &seed)) ||
	    (argc > 4 && !bytes_to_u64(bytes_of(argv[4]), &until))) {
		fprintf(stderr, "usage: bench-rows DIR ROWS [SEED] [UNTIL_MS]\n");
		return 2;
	}
	first = until - DAYS * 86400000ull;
	state = seed;
	make_words();
	shape_month(first);
	buf_init(&input, 64 << 20);
	buf_init(&output, 64 << 20);
	buf_init(&text, 64 << 20);
	for (unsigned i = 0; i < EPISODES; i++)
		make_id(episodes[i], first + roll64() % (DAYS * 86400000ull));
	mkdir(argv[1], 0700);
	o.dir = argv[1];
	o.dir_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	want(o.dir_fd >= 0, "the folder cannot be opened");
	s = sink_sqlite.make(&o);
	want(s && s->type->open(s) == SINK_OK, s ? s->error : "out of memory");
	while (s->type->work(s, 20)) /* so that each row is put down for the word index */
		;
	add_rows(s, first, n);
	stored = seconds();
	while (s->type->work(s, 2000))
		;
	s->type->idle(s, UINT64_MAX);
	s->type->free(s);
	printf("{\"rows\": %" PRIu64 ", \"seed\": %" PRIu64 ", \"until_ms\": %" PRIu64
	       ", \"record_bytes\": %" PRIu64 ", \"store_s\": %.1f, \"work_s\": %.1f}\n",
	       n, seed, until, count, stored - began, seconds() - stored);
	return 0;
}
