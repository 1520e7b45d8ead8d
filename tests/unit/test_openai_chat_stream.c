/*
 * A chat provider's event stream: what each event becomes, and what all of them are joined. Every stream is read
 * whole and once for each place where its bytes can be cut in two (providers-openai §8 #33, #34); both must agree.
 */
#include "unit.h"

#include <stdlib.h>

#include "base/error.h"
#include "net/sse.h"
#include "wire/openai_chat/openai_chat.h"

static struct inference plain_request(const struct surface_options *options)
{
	struct inference inf = { .options = options, .stream = true };

	if (options == &openai_chat_options) {
		inf.source = B("{}");
		inf.source_wire = &wire_openai_chat;
		inf.source_intact = true;
	}
	for (size_t i = 0; i < sizeof inf.id.b; i++)
		inf.id.b[i] = (uint8_t)i;
	return inf;
}

static const struct dialect openai = { .type = B("openai"), .label = B("OpenAI") };

static void show_part(struct buf *out, const struct part *p)
{
	static const char *const names[] = { [PART_TEXT] = "text",
					     [PART_TOOL_CALL] = "call",
					     [PART_THOUGHT] = "thought",
					     [PART_UNKNOWN] = "unknown",
					     [PART_REFUSAL] = "refusal" };

	buf_printf(out, " %s%s[%.*s", p->custom ? "custom " : "", names[p->type], BFMT(p->id));
	if (bytes_set(p->name))
		buf_printf(out, " name=%.*s", BFMT(p->name));
	buf_printf(out, "]<%.*s>", BFMT(p->type == PART_TOOL_CALL ? p->arguments : p->text));
}

static void show_delta(struct buf *out, const struct delta *d)
{
	buf_append(out, B("delta"));
	for (size_t i = 0; i < d->len; i++)
		show_part(out, &d->parts[i]);
	if (d->has_usage)
		buf_printf(out, " usage=%lld/%lld", (long long)d->usage.input_tokens,
			   (long long)d->usage.output_tokens);
	if (d->finish)
		buf_printf(out, " finish=%.*s", BFMT(finish_reason_name(d->finish)));
	if (d->error)
		buf_printf(out, " %s=%.*s", d->error->fatal ? "fatal" : "error",
			   BFMT(d->error->message));
	buf_putc(out, '\n');
}

static void show_result(struct buf *out, struct gather *g)
{
	static const char *const names[] = { [BLOCK_TEXT] = "text",
					     [BLOCK_TOOL_CALL] = "call",
					     [BLOCK_THOUGHT] = "thought",
					     [BLOCK_UNKNOWN] = "unknown",
					     [BLOCK_REFUSAL] = "refusal" };
	struct result r = { 0 };

	assert_int_equal(0, gather_finish(g, &r));
	buf_append(out, B("="));
	for (size_t i = 0; i < r.len; i++) {
		const struct block *b = &r.content[i];

		buf_printf(out, " %s", names[b->type]);
		if (b->type == BLOCK_TOOL_CALL)
			buf_printf(out, "[%.*s %.*s]", BFMT(b->id), BFMT(b->name));
		buf_printf(out, "<%.*s>",
			   BFMT(b->type == BLOCK_TOOL_CALL ? b->arguments : b->text));
	}
	buf_printf(out, " %lld/%lld %.*s\n", (long long)r.usage.input_tokens,
		   (long long)r.usage.output_tokens, BFMT(finish_reason_name(r.finish)));
}

struct run {
	struct wire_stream *s;
	struct gather *g;
	struct buf *deltas;
	bool done;
};

static void take(struct run *r, int n, const struct delta *d)
{
	assert_true(n >= 0);
	if (n == 2)
		r->done = true;
	if (n != 1)
		return;
	show_delta(r->deltas, d);
	if (!d->error)
		assert_int_equal(0, gather_add(r->g, d));
}

static void feed(struct run *r, struct sse *sse, struct bytes piece)
{
	char *copy =
		malloc(piece.n ? piece.n
			       : 1); /* of its exact size: the sanitizer sees what reads past it */
	struct sse_event e;
	struct delta d;

	memcpy(copy, piece.p, piece.n);
	sse_feed(sse, (struct bytes){ copy, piece.n });
	while (!r->done && sse_next(sse, &e) == 1)
		take(r, wire_openai_chat.read_event(r->s, &e, &d), &d);
	free(copy);
}

static void read_cut(const struct inference *inf, struct bytes text, size_t cut, struct buf *deltas,
		     struct buf *joined)
{
	struct arena arena;
	struct sse sse;
	struct sse_event e;
	struct delta d;
	struct run r = { .deltas = deltas };

	arena_init(&arena, 1u << 30);
	r.s = wire_openai_chat.stream_new(inf, &openai, &arena);
	r.g = gather_new(&arena, 1u << 20);
	assert_non_null(r.s);
	assert_non_null(r.g);
	sse_init(&sse, SSE_MAX_EVENT);
	feed(&r, &sse, bytes_slice(text, 0, cut));
	feed(&r, &sse, bytes_slice(text, cut, text.n));
	if (!r.done && sse_end(&sse, &e))
		take(&r, wire_openai_chat.read_event(r.s, &e, &d), &d);
	if (!r.done)
		take(&r, wire_openai_chat.read_end(r.s, &d), &d);
	show_result(joined, r.g);
	sse_deinit(&sse);
	gather_free(r.g);
	wire_openai_chat.stream_free(r.s);
	arena_deinit(&arena);
}

/* Reads an SSE text at every cut; compares the deltas (NULL: not looked at) and the joined result. */
static void stream_is(const struct surface_options *options, struct bytes text, const char *deltas,
		      const char *joined)
{
	struct inference inf = plain_request(options);

	for (size_t cut = 0; cut <= text.n; cut += text.n > 4000 ? text.n / 7 : 1) {
		struct buf d, j;

		buf_init(&d, 64u << 20);
		buf_init(&j, 64u << 20);
		read_cut(&inf, text, cut, &d, &j);
		buf_putc(&d, '\0');
		buf_putc(&j, '\0');
		if (deltas)
			assert_string_equal(deltas, d.data);
		if (joined)
			assert_string_equal(joined, j.data);
		buf_deinit(&d);
		buf_deinit(&j);
	}
}

/* Events as lines of JSON; [DONE] is added unless the last line is "EOF". */
static void events_are(const char *const *lines, const char *deltas, const char *joined)
{
	struct buf text;
	bool done = true;

	buf_init(&text, 64u << 20);
	for (; *lines; lines++) {
		if (strcmp(*lines, "EOF") == 0)
			done = false;
		else
			buf_printf(&text, "data: %s\n\n", *lines);
	}
	if (done)
		buf_append(&text, B("data: [DONE]\n\n"));
	stream_is(&tensorzero_chat_options, buf_bytes(&text), deltas, joined);
	buf_deinit(&text);
}

#define EVENTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
/* An event whose delta is D; one whose delta has the tool call entries T. */
#define D(json)        "{\"choices\":[{\"index\":0,\"delta\":" json ",\"finish_reason\":null}]}"
#define T(json)        D("{\"tool_calls\":[" json "]}")
#define FINISH(reason) "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}"
/* T with index, id, name, arguments. */
#define CALL(i, id, name, args)                                                                \
	T("{\"index\":" #i ",\"id\":\"" id                                                     \
	  "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" args \
	  "\"}}")
#define ARGS(i, args) T("{\"index\":" #i ",\"function\":{\"arguments\":\"" args "\"}}")

/* providers-openai §6.3 */
static void test_two_parallel_calls_and_usage(void **state)
{
	(void)state;
	events_are(
		EVENTS("{\"id\":\"chatcmpl-2\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_reason\":null}],\"usage\":null}",
		       CALL(0, "call_A", "get_weather", ""), ARGS(0, "{\\\"city\\\":"),
		       CALL(1, "call_B", "get_time", ""),
		       T("{\"index\":0,\"function\":{\"arguments\":\"\\\"Oslo\\\"}\"}},{\"index\":1,\"function\":{\"arguments\":\"{\\\"tz\\\":\\\"CET\\\"}\"}}"),
		       FINISH("tool_calls"),
		       "{\"id\":\"chatcmpl-2\",\"choices\":[],\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":30,\"total_tokens\":80}}"),
		"delta\n"
		"delta call[call_A name=get_weather]<>\n"
		"delta call[call_A]<{\"city\":>\n"
		"delta call[call_B name=get_time]<>\n"
		"delta call[call_A]<\"Oslo\"}> call[call_B]<{\"tz\":\"CET\"}>\n"
		"delta finish=tool_call\n"
		"delta usage=50/30\n",
		"= call[call_A get_weather]<{\"city\":\"Oslo\"}> call[call_B get_time]<{\"tz\":\"CET\"}> 50/30 tool_call\n");
}

/* providers-openai §8 #1 */
static void test_index_missing(void **state)
{
	(void)state;
	events_are(EVENTS(T("{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")),
		   "delta call[a name=f]<{}>\n", "= call[a f]<{}> -1/-1 \n");
}

/* providers-openai §8 #2 */
static void test_index_starts_at_1(void **state)
{
	(void)state;
	events_are(EVENTS(CALL(1, "a", "f", ""), ARGS(1, "{}")), NULL, "= call[a f]<{}> -1/-1 \n");
}

/* providers-openai §8 #3 */
static void test_all_calls_carry_index_0(void **state)
{
	(void)state;
	events_are(EVENTS(CALL(0, "a", "f", "{\\\"p\\\":1}"), CALL(0, "b", "f", "{\\\"p\\\":2}")),
		   NULL, "= call[a f]<{\"p\":1}> call[b f]<{\"p\":2}> -1/-1 \n");
}

/* providers-openai §8 #4 */
static void test_id_repeated_on_each_delta(void **state)
{
	(void)state;
	events_are(
		EVENTS(CALL(0, "a", "f", "{"),
		       T("{\"index\":0,\"id\":\"a\",\"function\":{\"arguments\":\"\\\"x\\\":1\"}}"),
		       T("{\"index\":0,\"id\":\"a\",\"function\":{\"arguments\":\"}\"}}")),
		NULL, "= call[a f]<{\"x\":1}> -1/-1 \n");
}

/* providers-openai §8 #5 */
static void test_two_entries_of_one_index_in_one_event(void **state)
{
	(void)state;
	events_are(
		EVENTS(T("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\"}},{\"index\":0,\"function\":{\"arguments\":\"{\"}}"),
		       ARGS(0, "}")),
		NULL, "= call[a f]<{}> -1/-1 \n");
}

/* providers-openai §8 #6 */
static void test_interleaved_calls(void **state)
{
	(void)state;
	events_are(
		EVENTS(CALL(0, "a", "f", "1"), CALL(1, "b", "g", "2"), ARGS(0, "3"), ARGS(1, "4")),
		NULL, "= call[a f]<13> call[b g]<24> -1/-1 \n");
}

/* providers-openai §8 #7 */
static void test_id_empty_or_null_later(void **state)
{
	(void)state;
	events_are(EVENTS(CALL(0, "a", "f", "1"),
			  T("{\"index\":0,\"id\":\"\",\"function\":{\"arguments\":\"2\"}}"),
			  T("{\"index\":0,\"id\":null,\"function\":{\"arguments\":\"3\"}}")),
		   NULL, "= call[a f]<123> -1/-1 \n");
}

/* providers-openai §8 #8 */
static void test_fragment_with_new_index_only(void **state)
{
	(void)state;
	events_are(EVENTS(CALL(0, "a", "f", "{\\\"x\\\":"), ARGS(1, "1}")), NULL,
		   "= call[a f]<{\"x\":1}> -1/-1 \n");
}

/* providers-openai §8 #9 */
static void test_name_repeated(void **state)
{
	(void)state;
	events_are(EVENTS(CALL(0, "a", "f", ""), CALL(0, "a", "f", "{"), CALL(0, "a", "f", "}")),
		   "delta call[a name=f]<>\ndelta call[a]<{>\ndelta call[a]<}>\n",
		   "= call[a f]<{}> -1/-1 \n");
}

/* providers-openai §8 #10 */
static void test_name_in_parts(void **state)
{
	(void)state;
	events_are(
		EVENTS(CALL(0, "a", "get_temp", ""),
		       T("{\"index\":0,\"function\":{\"name\":\"erature\"}}"), ARGS(0, "{}")),
		"delta call[a name=get_temp]<>\ndelta call[a name=erature]<>\ndelta call[a]<{}>\n",
		"= call[a get_temperature]<{}> -1/-1 \n");
}

/* providers-openai §8 #11 */
static void test_arguments_null_absent_or_an_object(void **state)
{
	(void)state;
	events_are(
		EVENTS(T("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":null}}"),
		       T("{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\"}}"),
		       T("{\"index\":2,\"id\":\"c\",\"function\":{\"name\":\"h\",\"arguments\":{\"a\": 1.50}}}")),
		"delta call[a name=f]<>\ndelta call[b name=g]<>\ndelta call[c name=h]<{\"a\":1.50}>\n",
		"= call[a f]<> call[b g]<> call[c h]<{\"a\":1.50}> -1/-1 \n");
}

/* providers-openai §8 #13, #14, #74: finish stays what it was said to be */
static void test_whole_call_with_finish_reason(void **state)
{
	(void)state;
	events_are(
		EVENTS("{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}"),
		"delta call[a name=f]<{}> finish=tool_call\n", "= call[a f]<{}> -1/-1 tool_call\n");
	events_are(EVENTS(CALL(0, "a", "f", "{}"), FINISH("stop")), NULL,
		   "= call[a f]<{}> -1/-1 stop\n");
}

/* providers-openai §8 #15, #16 */
static void test_empty_lists_and_null_content(void **state)
{
	(void)state;
	events_are(
		EVENTS(D("{\"content\":\"x\",\"tool_calls\":[]}"),
		       D("{\"content\":\"y\",\"tool_calls\":null}"),
		       D("{\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\"}}]}")),
		"delta text[0]<x>\ndelta text[0]<y>\ndelta call[a name=f]<>\n", NULL);
}

/* providers-openai §8 #17, #18 */
static void test_custom_calls(void **state)
{
	(void)state;
	events_are(
		EVENTS(T(
			"{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"},\"custom\":{}}")),
		"delta call[a name=f]<{}>\n", NULL);
	events_are(
		EVENTS(T("{\"index\":0,\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":\"sql\",\"input\":\"SEL\"}}"),
		       T("{\"index\":0,\"custom\":{\"input\":\"ECT\"}}")),
		"delta custom call[c name=sql]<SEL>\ndelta custom call[c]<ECT>\n",
		"= call[c sql]<SELECT> -1/-1 \n");
}

/* providers-openai §8 #19 */
static void test_role_is_ignored(void **state)
{
	(void)state;
	events_are(EVENTS(D("{\"content\":\"a\"}"), D("{\"role\":\"assistant\",\"content\":\"b\"}"),
			  D("{\"role\":\"assistant\"}")),
		   "delta text[0]<a>\ndelta text[0]<b>\ndelta\n", "= text<ab> -1/-1 \n");
}

#define USAGE(in, out)       "\"usage\":{\"prompt_tokens\":" #in ",\"completion_tokens\":" #out "}"
#define USAGE_CHUNK(in, out) "{\"choices\":[]," USAGE(in, out) "}"

/* providers-openai §8 #20, #21, #24 */
static void test_usage_chunk(void **state)
{
	(void)state;
	events_are(EVENTS(D("{\"content\":\"a\"}"), FINISH("stop"), USAGE_CHUNK(5, 3)),
		   "delta text[0]<a>\ndelta finish=stop\ndelta usage=5/3\n",
		   "= text<a> 5/3 stop\n");
	events_are(
		EVENTS("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]," USAGE(
			       5, 3) "}",
		       USAGE_CHUNK(5, 3)),
		NULL, "= 5/3 stop\n");
}

/* providers-openai §8 #22, #23 */
static void test_usage_is_cumulative(void **state)
{
	(void)state;
	events_are(EVENTS("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]," USAGE(5, 1) "}",
			  "{\"choices\":[{\"delta\":{\"content\":\"b\"}}]," USAGE(5, 2) "}",
			  "{\"choices\":[{\"delta\":{\"content\":\"c\"}}]," USAGE(5, 3) "}",
			  "{\"choices\":[],\"usage\":null}"),
		   NULL, "= text<abc> 5/3 \n");
}

/* providers-openai §8 #25, #26: usage in x_groq, partial usage, floats */
static void test_odd_usage(void **state)
{
	(void)state;
	events_are(EVENTS("{\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":3}}}"),
		   "delta usage=3/-1\n", NULL);
	events_are(EVENTS("{\"choices\":[],\"usage\":{\"prompt_tokens\":3.0}}"),
		   "delta usage=3/-1\n", NULL);
	events_are(
		EVENTS("{\"choices\":[],\"usage\":{\"prompt_tokens\":3.5,\"completion_tokens\":-1}}"),
		"delta usage=-1/-1\n", NULL);
}

/* providers-openai §8 #27, #28; surfaces §8.4 #56 */
static void test_azure_filter_chunks(void **state)
{
	(void)state;
	events_are(
		EVENTS("{\"id\":\"\",\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}",
		       "{\"choices\":[{\"index\":0,\"finish_reason\":null,\"content_filter_offsets\":{\"a\":1}}]}",
		       "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}"),
		"delta\ndelta\ndelta text[0]<x>\n", "= text<x> -1/-1 \n");
}

/* providers-openai §8 #31, #32, #33 */
static void test_comments_and_framing(void **state)
{
	(void)state;
	stream_is(&tensorzero_chat_options,
		  B(": OPENROUTER PROCESSING\n\ndata: : keepalive\n\ndata:" D(
			  "{\"content\":\"a\"}") "\n\ndata: [DONE]\n\n"),
		  "delta text[0]<a>\n", NULL);
	stream_is(
		&tensorzero_chat_options,
		B("\xef\xbb\xbf"
		  "data: " D("{\"content\":\"a\"}") "\r\n\r\nevent: x\rid: 1\rdata: " D(
			  "{\"content\":\"b\"}") "\r\rdata: {\"choices\":[{\n"
						 "data: \"delta\":{\"content\":\"c\"}}]}\n\ndata: [DONE]\n\n"),
		"delta text[0]<a>\ndelta text[0]<b>\ndelta text[0]<c>\n", NULL);
}

/* providers-openai §8 #34: é cut in the middle (every cut is tried) */
static void test_character_cut_in_the_middle(void **state)
{
	(void)state;
	events_are(EVENTS(D("{\"content\":\"\xc3\xa9\"}")), "delta text[0]<\xc3\xa9>\n", NULL);
}

/* providers-openai §8 #35, #36 */
static void test_error_in_the_stream(void **state)
{
	(void)state;
	events_are(EVENTS(D("{\"content\":\"a\"}"),
			  "{\"error\":{\"message\":\"overloaded\",\"code\":502}}"),
		   "delta text[0]<a>\ndelta fatal=Error from openai server: overloaded\n", NULL);
	events_are(
		EVENTS("{\"error\":{\"message\":\"m\",\"code\":\"429\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}"),
		"delta fatal=Error 429 Too Many Requests from openai client: m\n", NULL);
	events_are(
		EVENTS("{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\",\"error\":{\"message\":\"x\"}}]}"),
		"delta fatal=Error from openai server: x\n", NULL);
	events_are(EVENTS("{\"error\":\"flat\"}"), "delta fatal=Error from openai server: flat\n",
		   NULL);
	events_are(EVENTS("{\"error\":null,\"choices\":[]}"), "delta\n", NULL);
	stream_is(&tensorzero_chat_options,
		  B("event: error\ndata: {\"message\":\"m\"}\n\ndata: [DONE]\n\n"),
		  "delta fatal=Error from openai server: m\n", NULL);
	stream_is(&tensorzero_chat_options, B("event: error\ndata: not json\n\ndata: [DONE]\n\n"),
		  "delta fatal=Error from openai server: not json\n", NULL);
}

/* providers-openai §8 #39, #40, #41, #42 */
static void test_how_a_stream_ends(void **state)
{
	(void)state;
	events_are(EVENTS(D("{\"content\":\"a\"}"), FINISH("stop"), "EOF"),
		   "delta text[0]<a>\ndelta finish=stop\n", NULL);
	events_are(
		EVENTS(D("{\"content\":\"a\"}"), "EOF"),
		"delta text[0]<a>\ndelta fatal=Error from openai server: Stream ended without finish reason\n",
		"= text<a> -1/-1 \n");
	events_are(EVENTS(D("{\"content\":\"a\"}")), "delta text[0]<a>\n", "= text<a> -1/-1 \n");
	stream_is(&tensorzero_chat_options,
		  B("data: " D("{\"content\":\"a\"}") "\n\ndata: [DONE]\n\ndata: " D(
			  "{\"content\":\"b\"}") "\n\n"),
		  "delta text[0]<a>\n", NULL);
	stream_is(&tensorzero_chat_options, B(""), "", "= -1/-1 \n");
}

/* providers-openai §8 #43, #44 */
static void test_finish_reasons(void **state)
{
	(void)state;
	events_are(EVENTS(FINISH(""), FINISH(""), FINISH("eos")),
		   "delta\ndelta\ndelta finish=stop\n", NULL);
	events_are(EVENTS(FINISH("model_length"), FINISH("insufficient_system_resource"),
			  FINISH("function_call"), FINISH("content_filter"),
			  FINISH("stop_sequence")),
		   "delta finish=length\ndelta finish=unknown\ndelta finish=tool_call\n"
		   "delta finish=content_filter\ndelta finish=stop_sequence\n",
		   NULL);
}

/* providers-openai §8 #50, #51 */
static void test_reasoning_under_either_name(void **state)
{
	(void)state;
	events_are(EVENTS(D("{\"reasoning\":null,\"reasoning_content\":\"h\"}"),
			  D("{\"reasoning\":\"i\"}"),
			  D("{\"reasoning\":\"j\",\"reasoning_content\":\"j\",\"content\":\"t\"}")),
		   "delta thought[1]<h>\ndelta thought[1]<i>\ndelta thought[1]<j> text[0]<t>\n",
		   "= thought<hij> text<t> -1/-1 \n");
}

/* providers-openai §8 #57, #58 */
static void test_refusals(void **state)
{
	(void)state;
	events_are(EVENTS(D("{\"refusal\":\"No.\"}"), D("{\"refusal\":\"!\",\"content\":\"\"}")),
		   "delta refusal[0]<No.>\ndelta refusal[0]<!>\n", "= refusal<No.!> -1/-1 \n");
}

/* providers-openai §8 #78: half a surrogate pair is no broken byte, and both halves arrive */
static void test_lone_surrogates(void **state)
{
	(void)state;
	events_are(EVENTS(CALL(0, "a", "f", "\\ud83d"), ARGS(0, "\\ude00")), NULL,
		   "= call[a f]<\xed\xa0\xbd\xed\xb8\x80> -1/-1 \n");
}

/* providers-openai §8 #79 */
static void test_deep_and_huge_events(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 64u << 20);
	buf_append(&text, B("data: {\"choices\":"));
	for (int i = 0; i < 1000; i++)
		buf_putc(&text, '[');
	for (int i = 0; i < 1000; i++)
		buf_putc(&text, ']');
	buf_append(&text, B("}\n\ndata: [DONE]\n\n"));
	stream_is(
		&tensorzero_chat_options, buf_bytes(&text),
		"delta error=Error from openai server: Error parsing chunk. Error: invalid type: sequence, expected a string at line 1 column 14\n",
		NULL);
	buf_reset(&text);
	buf_append(&text, B("data: {\"choices\":[{\"delta\":{\"content\":\""));
	for (int i = 0; i < 10 << 20; i++)
		buf_putc(&text, 'x');
	buf_append(&text, B("\"}}]}\n\ndata: " D("{\"content\":\"y\"}") "\n\ndata: [DONE]\n\n"));
	{
		struct inference inf = plain_request(&tensorzero_chat_options);
		struct buf d, j;

		buf_init(&d, 64u << 20);
		buf_init(&j, 64u << 20);
		read_cut(&inf, buf_bytes(&text), 1 << 20, &d, &j);
		assert_true(bytes_ends(buf_bytes(&j), B("xxxy> -1/-1 \n")));
		assert_true(j.len > 10 << 20);
		buf_deinit(&d);
		buf_deinit(&j);
	}
	buf_deinit(&text);
}

/* providers-openai §8 #80 */
static void test_two_calls_under_one_id(void **state)
{
	(void)state;
	events_are(EVENTS(CALL(0, "a", "f", "{}"), CALL(1, "a", "g", "{}")), NULL,
		   "= call[a f]<{}> call[call_7fcb5fef g]<{}> -1/-1 \n");
}

static void test_generated_id_is_kept_when_the_real_one_comes_late(void **state)
{
	(void)state;
	events_are(
		EVENTS(T("{\"index\":0,\"function\":{\"name\":\"f\"}}"), CALL(0, "late", "", "{}")),
		NULL, "= call[call_d6580c6a f]<{}> -1/-1 \n");
}

static void test_fragment_that_belongs_to_no_call(void **state)
{
	(void)state;
	events_are(
		EVENTS(ARGS(0, "x"), D("{\"content\":\"a\"}")),
		"delta error=Error from openai server: Tool call index out of bounds (meaning we haven't seen this many ids in the stream)\ndelta text[0]<a>\n",
		NULL);
}

static void test_too_many_calls(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 1u << 20);
	for (int i = 0; i < 129; i++)
		buf_printf(
			&text,
			"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"c%d\",\"function\":{\"name\":\"f\"}}]}}]}\n\n",
			i, i);
	{
		struct inference inf = plain_request(&tensorzero_chat_options);
		struct buf d, j;

		buf_init(&d, 1u << 20);
		buf_init(&j, 1u << 20);
		read_cut(&inf, buf_bytes(&text), 0, &d, &j);
		assert_true(
			bytes_find(
				buf_bytes(&d),
				B("fatal=Error from openai server: More than 128 tool calls in one answer")) >
			0);
		buf_deinit(&d);
		buf_deinit(&j);
	}
	buf_deinit(&text);
}

static void test_bad_events_are_errors_that_are_not_fatal(void **state)
{
	(void)state;
	events_are(
		EVENTS("{bad", D("{\"content\":\"b\"}"), "{\"x\":1}",
		       "{\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{\"content\":\"b\"}}]}"),
		"delta error=Error from openai server: Error parsing chunk. Error: key must be a string at line 1 column 2\n"
		"delta text[0]<b>\n"
		"delta error=Error from openai server: Response has invalid number of choices: 2. Expected 1.\n",
		NULL);
}

static void test_content_as_a_list_and_the_old_function_call(void **state)
{
	(void)state;
	events_are(
		EVENTS(D("{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"x\",\"y\":1}]}"),
		       D("{\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}}"),
		       D("{\"function_call\":{\"arguments\":\"{}\"}}")),
		NULL,
		"= text<a> unknown<{\"type\":\"x\",\"y\":1}> call[call_d6580c6a f]<{}> -1/-1 \n");
}

/* A steady stream takes no memory: the arena and the heap buffers stay as they are. */
static void test_events_do_not_allocate(void **state)
{
	struct inference inf = plain_request(&openai_chat_options);
	struct sse_event e = { B(""), B(D("{\"content\":\"abc\"}")) };
	struct arena arena;
	struct wire_stream *s;
	struct delta d;
	size_t used;

	(void)state;
	arena_init(&arena, 1u << 20);
	s = wire_openai_chat.stream_new(&inf, &openai, &arena);
	assert_int_equal(1, wire_openai_chat.read_event(s, &e, &d));
	assert_true(d.forward);
	used = arena.used;
	for (int i = 0; i < 10000; i++)
		assert_int_equal(1, wire_openai_chat.read_event(s, &e, &d));
	assert_int_equal(used, arena.used);
	wire_openai_chat.stream_free(s);
	arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_parallel_calls_and_usage),
		cmocka_unit_test(test_index_missing),
		cmocka_unit_test(test_index_starts_at_1),
		cmocka_unit_test(test_all_calls_carry_index_0),
		cmocka_unit_test(test_id_repeated_on_each_delta),
		cmocka_unit_test(test_two_entries_of_one_index_in_one_event),
		cmocka_unit_test(test_interleaved_calls),
		cmocka_unit_test(test_id_empty_or_null_later),
		cmocka_unit_test(test_fragment_with_new_index_only),
		cmocka_unit_test(test_name_repeated),
		cmocka_unit_test(test_name_in_parts),
		cmocka_unit_test(test_arguments_null_absent_or_an_object),
		cmocka_unit_test(test_whole_call_with_finish_reason),
		cmocka_unit_test(test_empty_lists_and_null_content),
		cmocka_unit_test(test_custom_calls),
		cmocka_unit_test(test_role_is_ignored),
		cmocka_unit_test(test_usage_chunk),
		cmocka_unit_test(test_usage_is_cumulative),
		cmocka_unit_test(test_odd_usage),
		cmocka_unit_test(test_azure_filter_chunks),
		cmocka_unit_test(test_comments_and_framing),
		cmocka_unit_test(test_character_cut_in_the_middle),
		cmocka_unit_test(test_error_in_the_stream),
		cmocka_unit_test(test_how_a_stream_ends),
		cmocka_unit_test(test_finish_reasons),
		cmocka_unit_test(test_reasoning_under_either_name),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lone_surrogates),
		cmocka_unit_test(test_deep_and_huge_events),
		cmocka_unit_test(test_two_calls_under_one_id),
		cmocka_unit_test(test_generated_id_is_kept_when_the_real_one_comes_late),
		cmocka_unit_test(test_fragment_that_belongs_to_no_call),
		cmocka_unit_test(test_too_many_calls),
		cmocka_unit_test(test_bad_events_are_errors_that_are_not_fatal),
		cmocka_unit_test(test_content_as_a_list_and_the_old_function_call),
		cmocka_unit_test(test_events_do_not_allocate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
