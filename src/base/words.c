/*
 * The engines' words. An engine runs on the thread's own stack (thread_own_stack) and hands out memory of Rust's,
 * which is copied and given back at once.
 */
#include "base/words.h"

#include <engines.h>

#include "base/thread.h"

struct question {
	struct bytes text, label;
	enum { EXTENSION, UUID_FAULT, QUOTE, ANSWER_FAULT, CHUNK_FAULT, DECODE } what;
	struct engine_text said;
};

static void ask(void *arg)
{
	struct question *q = arg;
	const char *p = q->text.p;
	size_t n = q->text.n;

	switch (q->what) {
	case EXTENSION: engine_mime_extension(p, n, &q->said); break;
	case UUID_FAULT: engine_uuid_fault(p, n, &q->said); break;
	case QUOTE: engine_quote(p, n, &q->said); break;
	case ANSWER_FAULT: engine_answer_fault(p, n, false, &q->said); break;
	case DECODE: engine_decode(p, n, q->label.p, q->label.n, &q->said); break;
	case CHUNK_FAULT: engine_answer_fault(p, n, true, &q->said); break;
	}
}

static struct bytes answer_to(struct question q, struct arena *a)
{
	struct bytes said = { NULL, 0 };

	thread_own_stack(ask, &q);
	if (q.said.p)
		said = arena_dup(a, (struct bytes){ q.said.p, q.said.n });
	engine_text_free(&q.said);
	return said;
}

struct bytes words_extension(struct bytes mime, char *space, size_t n)
{
	struct question q = { .text = mime, .what = EXTENSION };
	struct bytes said = { NULL, 0 };

	thread_own_stack(ask, &q);
	if (q.said.p && q.said.n <= n)
		said = (struct bytes){ memcpy(space, q.said.p, q.said.n), q.said.n };
	engine_text_free(&q.said);
	return said;
}

struct bytes words_uuid_fault(struct bytes text, struct arena *a)
{
	return answer_to((struct question){ .text = text, .what = UUID_FAULT }, a);
}

struct bytes words_answer_fault(struct bytes json, bool chunk, struct arena *a)
{
	return answer_to(
		(struct question){ .text = json, .what = chunk ? CHUNK_FAULT : ANSWER_FAULT }, a);
}

struct bytes words_decode(struct bytes body, struct bytes label, struct arena *a)
{
	return answer_to((struct question){ .text = body, .label = label, .what = DECODE }, a);
}

/* What Rust prints as it is: nothing needs the engine. */
static bool is_plain(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~' || text.p[i] == '"' || text.p[i] == '\\')
			return false;
	return true;
}

void words_quote(struct bytes text, struct buf *out)
{
	struct question q = { .text = text, .what = QUOTE };

	if (is_plain(text)) {
		buf_putc(out, '"');
		buf_append(out, text);
		buf_putc(out, '"');
		return;
	}
	thread_own_stack(ask, &q);
	buf_append(out, (struct bytes){ q.said.p, q.said.n });
	engine_text_free(&q.said);
}
