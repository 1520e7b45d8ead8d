/*
 * Events that are known again are read and written without a look inside (wire/openai_chat/alike.h); the only right
 * result is what a look inside would have given. Each case reads one event and then another, through a reader and a
 * writer that know the first, and again through ones to which the second is new.
 */
#include "unit.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/openai_chat/alike.h"
#include "wire/openai_chat/openai_chat.h"

static const struct dialect openai = { .type = B("openai"), .label = B("OpenAI") };

struct sides {
	struct arena arena;
	struct inference inf;
	struct answer answer;
};

static void sides_init(struct sides *s, const struct surface_options *options)
{
	*s = (struct sides){ .inf = { .options = options, .stream = true } };
	arena_init(&s->arena, 1u << 30);
	s->answer = (struct answer){ .options = options,
				     .created = 1795575103,
				     .model = B("my-model"),
				     .provider_type = B("openai"),
				     .reasoning_to_client = true };
	if (options == &openai_chat_options) {
		s->answer.pass_through = true;
		s->inf.source = B("{}");
		s->inf.source_wire = &wire_openai_chat;
		s->inf.source_intact = true;
	}
}

static void show(struct buf *out, int n, const struct delta *d)
{
	buf_printf(out, "%d", n);
	if (n != 1)
		return;
	for (size_t i = 0; i < d->len; i++)
		buf_printf(out, " %d[%.*s]<%.*s>%s<%.*s>", d->parts[i].type, BFMT(d->parts[i].id),
			   BFMT(d->parts[i].text), bytes_set(d->parts[i].text) ? "" : " unset",
			   BFMT(d->parts[i].arguments));
	buf_printf(out, " %.*s|%.*s|%.*s|%.*s usage %d finish %d forward %d raw %.*s",
		   BFMT(d->provider_id), BFMT(d->provider_model), BFMT(d->service_tier),
		   BFMT(d->system_fingerprint), d->has_usage, d->finish, d->forward, BFMT(d->raw));
	if (d->error)
		buf_printf(out, " %d %.*s", d->error->fatal, BFMT(d->error->message));
}

/* Reads `first` with the reader that `known` says and `second` with the same or with a new one; writes both. What
 * became of the second. */
static bool pass_on(struct sides *s, const struct sse_event *first, const struct sse_event *second,
		    bool known, struct buf *out)
{
	struct wire_stream *old = wire_openai_chat.stream_new(&s->inf, &openai, &s->arena);
	struct wire_stream *fresh = wire_openai_chat.stream_new(&s->inf, &openai, &s->arena);
	struct wire_writer *w = openai_chat_writer_new(&s->answer, &s->arena);
	struct delta d = { 0 };
	int n = wire_openai_chat.read_event(old, first, &d);
	bool alike;

	if (n == 1 && !d.error)
		assert_int_equal(0, openai_chat_write_delta(w, &d, out));
	buf_reset(out);
	d = (struct delta){ 0 };
	n = wire_openai_chat.read_event(known ? old : fresh, second, &d);
	alike = n == 1 && bytes_set(d.alike);
	show(out, n, &d);
	buf_append(out, B("\n"));
	if (n == 1 && !d.error)
		assert_int_equal(0, openai_chat_write_delta(w, &d, out));
	wire_openai_chat.stream_free(old);
	wire_openai_chat.stream_free(fresh);
	return alike;
}

/* Whether the second was known again. */
static bool same_either_way(struct sides *s, struct sse_event first, struct sse_event second)
{
	struct buf known, new;
	bool alike;

	buf_init(&known, 1u << 24);
	buf_init(&new, 1u << 24);
	alike = pass_on(s, &first, &second, true, &known);
	assert_false(pass_on(s, &first, &second, false, &new));
	if (!bytes_eq(buf_bytes(&known), buf_bytes(&new)))
		fail_msg("%.*s\nthen   %.*s\nlooked into %.*s\nknown again %.*s", BFMT(first.data),
			 BFMT(second.data), BFMT(buf_bytes(&new)), BFMT(buf_bytes(&known)));
	buf_deinit(&known);
	buf_deinit(&new);
	return alike;
}

/* In every kind of answer. */
static void pair_is_each(const char *first, const char *second, bool on_openai, bool on_tensorzero)
{
	for (unsigned kind = 0; kind < 16; kind++) {
		struct sides s;
		struct sse_event one = { B(""), bytes_of(first) },
				 two = { B(""), bytes_of(second) };
		bool alike = kind & 1 ? on_openai : on_tensorzero;

		sides_init(&s, kind & 1 ? &openai_chat_options : &tensorzero_chat_options);
		s.answer.include_usage = kind & 2;
		s.answer.include_raw_response = kind & 4;
		s.answer.include_original_response = kind & 8;
		if (same_either_way(&s, one, two) != alike)
			fail_msg("%s\nthen %s: %s", first, second,
				 alike ? "not known again" : "known again");
		arena_deinit(&s.arena);
	}
}

static void pair_is(const char *first, const char *second, bool alike)
{
	pair_is_each(first, second, alike, alike);
}

#define HEAD                                                                                    \
	"{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-1\"," \
	"\"service_tier\":\"default\",\"system_fingerprint\":\"fp\",\"choices\":[{\"index\":0," \
	"\"delta\":{"
#define TAIL    "},\"logprobs\":null,\"finish_reason\":null}]}"
#define TEXT(t) HEAD "\"content\":\"" t "\"" TAIL
#define PADDED(t, p)                                                                               \
	HEAD "\"content\":\"" t "\"},\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"" p \
	     "\"}"

#define BARE \
	"\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":"

static void test_known_again(void **state)
{
	(void)state;
	pair_is(TEXT("one"), TEXT("two"), true);
	pair_is(TEXT("one"), TEXT(""), true);
	pair_is(TEXT(""), TEXT("a much longer piece of text than the one before it"), true);
	pair_is(TEXT("one"), TEXT("\xe4\xbd\xa0\xe5\xa5\xbd"), true);
	pair_is(TEXT("a \\\"quote\\\" \\n"), TEXT("plain"), true); /* escapes inside the hole */
	pair_is(TEXT("}]},{["), TEXT("{\xf0\x9f\x98\x80}:,"), true);
	pair_is(PADDED("one", "xyz"), PADDED("three", ""), true);
	pair_is("{\"obfuscation\":\"x\"," BARE "{\"content\":\"a\"}}]}",
		"{\"obfuscation\":\"yz\"," BARE "{\"content\":\"bcd\"}}]}", true);
	pair_is(HEAD "\"content\":null,\"reasoning_content\":\"hm\"" TAIL,
		HEAD "\"content\":null,\"reasoning_content\":\"so\"" TAIL, true);
	pair_is(HEAD "\"reasoning\":\"hm\"" TAIL, HEAD "\"reasoning\":\"\"" TAIL, true);
	/* a member that comes twice: the last one counts, and is the hole */
	pair_is(HEAD "\"content\":\"x\",\"content\":\"one\"" TAIL,
		HEAD "\"content\":\"x\",\"content\":\"two\"" TAIL, true);
}

static void test_looked_into(void **state)
{
	(void)state;
	pair_is(TEXT("one"), TEXT("a\\\"b"), false);
	pair_is(TEXT("one"), TEXT("\\u4f60"), false);
	pair_is(TEXT("one"), TEXT("\\ud83d"), false);
	pair_is(TEXT("one"), TEXT("a\tb"), false); /* broken JSON */
	pair_is(TEXT("one"),
		TEXT("a\x01"
		     "b"),
		false);                                           /* broken, with the mark */
	pair_is(TEXT("one"), TEXT("\xff"), false);                /* no UTF-8 */
	pair_is(TEXT("one"), TEXT("\xed\xa0\x80"), false);        /* a surrogate */
	pair_is(TEXT("one"), TEXT("\xe4\xbd"), false);            /* cut in mid character */
	pair_is(TEXT("one"), TEXT("a\",\"refusal\":\"b"), false); /* another tree */
	pair_is(TEXT("one"), TEXT("two") " ", false);
	pair_is(TEXT("one"), "{\"choices\":[]}", false);
	pair_is(TEXT("one"), "", false);
	pair_is(TEXT("one"), "[DONE]", false);
	pair_is(TEXT("one"), HEAD "\"content\":\"on", false);
	pair_is(PADDED("one", "xyz"), PADDED("two", "x\\\"yz"), false);
	pair_is(PADDED("one", "xyz"), TEXT("two"), false);
	/* events that may not be kept */
	pair_is(HEAD "\"content\":[{\"type\":\"text\",\"text\":\"a\"}]" TAIL,
		HEAD "\"content\":[{\"type\":\"text\",\"text\":\"b\"}]" TAIL, false);
	pair_is(HEAD "\"content\":\"one\",\"refusal\":\"no\"" TAIL,
		HEAD "\"content\":\"\",\"refusal\":\"no\"" TAIL, false);
	pair_is(HEAD "\"reasoning\":\"a\",\"reasoning_content\":\"b\"" TAIL,
		HEAD "\"reasoning\":\"\",\"reasoning_content\":\"b\"" TAIL, false);
	pair_is(HEAD "\"cont\\u0065nt\":\"a\"" TAIL, HEAD "\"cont\\u0065nt\":\"b\"" TAIL, false);
	pair_is("{\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"index\":1}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"b\"}},{\"index\":1}]}", false);
	/* of a single choice TensorZero's route does not read the index */
	pair_is_each("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\"}}]}",
		     "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}", false, true);
	pair_is("{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
		"{\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}",
		false);
	pair_is("{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":1}}",
		"{\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":1}}",
		false);
	pair_is("{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\n\"n\":1}",
		"{\"choices\":[{\"delta\":{\"content\":\"b\"}}],\n\"n\":1}", false);
	pair_is("\n" TEXT("one"), "\n" TEXT("two"), false);
	pair_is(TEXT("one") "\n", TEXT("two") "\n", false);
	pair_is("\r" TEXT("one"), "\r" TEXT("two"), false);
}

/* An event longer than ALIKE_MAX is not worth its memory. */
static void test_only_short_events_are_kept(void **state)
{
	char text[ALIKE_MAX + 2];

	(void)state;
	for (size_t n = ALIKE_MAX; n <= ALIKE_MAX + 1; n++) {
		const char *end = "\"" TAIL;
		size_t at = strlen(HEAD "\"content\":\"");

		memcpy(text, HEAD "\"content\":\"", at);
		memset(text + at, 'x', n - at - strlen(end));
		memcpy(text + n - strlen(end), end, strlen(end) + 1);
		pair_is(text, TEXT("two"), n <= ALIKE_MAX);
	}
}

static void test_an_error_is_never_text(void **state)
{
	struct sse_event first = { B(""), B(TEXT("one")) };
	struct sse_event second = { B("error"), B(TEXT("two")) };
	struct sides s;

	(void)state;
	sides_init(&s, &openai_chat_options);
	assert_false(same_either_way(&s, first, second));
	arena_deinit(&s.arena);
}

/* What does not fit into the memory for what events have in common goes out all the same. */
static void test_a_long_model_name_ends_no_stream(void **state)
{
	static char name[40000];
	struct sse_event first = { B(""), B("{\"model\":\"a\"," BARE "{\"content\":\"one\"}}]}") };
	struct sse_event second = { B(""), B("{\"model\":\"a\"," BARE "{\"content\":\"two\"}}]}") };
	struct sides s;

	(void)state;
	memset(name, 'm', sizeof name);
	sides_init(&s, &openai_chat_options);
	s.answer.model = (struct bytes){ name, sizeof name };
	assert_true(same_either_way(&s, first, second));
	arena_deinit(&s.arena);
}

/* An upstream whose events are new each time costs a bounded amount of memory. */
static void test_learning_ends(void **state)
{
	struct wire_stream *w;
	struct sides s;
	struct delta d;
	size_t used = 0;

	(void)state;
	sides_init(&s, &openai_chat_options);
	w = wire_openai_chat.stream_new(&s.inf, &openai, &s.arena);
	for (int i = 0; i < 1000; i++) {
		char text[200];
		int n = snprintf(text, sizeof text,
				 "{\"n\":%d,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", i);
		struct sse_event e = { B(""), { text, (size_t)n } };

		assert_int_equal(1, wire_openai_chat.read_event(w, &e, &d));
		assert_false(bytes_set(d.alike));
		if (i == 20)
			used = s.arena.used;
	}
	assert_int_equal(used, s.arena.used);
	wire_openai_chat.stream_free(w);
	arena_deinit(&s.arena);
}

static uint64_t random_state = 88172645463325252u;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* Any one, two or three bytes of an event changed, left out or put in. */
static void test_bytes_changed_at_random(void **state)
{
	static const char *const events[] = { TEXT("one two"), PADDED("hello", "padding"),
					      HEAD "\"reasoning\":\"hm\"" TAIL };
	static const char bytes[] = "\"\\\x01 ,:{}[]a\xe4\n1";
	struct sides s;
	size_t known = 0;

	(void)state;
	for (int i = 0; i < 30000; i++) {
		const char *event = events[i % 3];
		char text[1024];
		size_t n = strlen(event);

		memcpy(text, event, n);
		for (size_t k = random_below(3) + 1; k > 0; k--) {
			size_t at = random_below(n);

			switch (random_below(3)) {
			case 0: text[at] = bytes[random_below(sizeof bytes - 1)]; break;
			case 1: memmove(text + at, text + at + 1, --n - at); break;
			default:
				memmove(text + at + 1, text + at, n++ - at);
				text[at] = bytes[random_below(sizeof bytes - 1)];
			}
		}
		sides_init(&s, i & 1 ? &openai_chat_options : &tensorzero_chat_options);
		known += same_either_way(&s, (struct sse_event){ B(""), bytes_of(event) },
					 (struct sse_event){ B(""), { text, n } });
		arena_deinit(&s.arena);
	}
	assert_true(known > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_again),
		cmocka_unit_test(test_looked_into),
		cmocka_unit_test(test_only_short_events_are_kept),
		cmocka_unit_test(test_an_error_is_never_text),
		cmocka_unit_test(test_a_long_model_name_ends_no_stream),
		cmocka_unit_test(test_learning_ends),
		cmocka_unit_test(test_bytes_changed_at_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
