/*
 * Any bytes as what Bedrock says: as a plain answer, and as events (one a line: name, tab, data). What comes out must be
 * whole, and a failure must say why.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "wire/bedrock/bedrock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct surface_options surface = { .lenient = true };
static struct tool tool = { .name = B("a name that does not fit and is mapped") };
static struct tool_config tools = { .tools = &tool, .len = 1 };
static struct inference inf = { .options = &surface, .tools = &tools };
static struct dialect dialect = { .type = B("aws_bedrock"),
				  .label = B("AWS Bedrock"),
				  .model = B("claude") };

static void require(bool what, const char *text)
{
	if (what)
		return;
	fprintf(stderr, "broken: %s\n", text);
	abort();
}

static void check_parts(const struct delta *d)
{
	require(d->len <= 1, "an event is one part");
	for (size_t i = 0; i < d->len; i++) {
		const struct part *p = &d->parts[i];

		require(bytes_set(p->id), "a part has an id");
		require(p->type != PART_TOOL_CALL || bytes_set(p->arguments),
			"a call has arguments");
		require(p->type == PART_TOOL_CALL || bytes_set(p->text) || bytes_set(p->signature),
			"a part says something");
	}
}

static void stream(struct bytes text, struct arena *a)
{
	struct wire_stream *s = wire_bedrock.stream_new(&inf, &dialect, a);
	struct delta d;
	int r = 0;

	require(s != NULL, "there is a stream");
	while (text.n && r >= 0) {
		struct bytes line = bytes_cut(&text, '\n'), name = bytes_cut(&line, '\t');
		struct sse_event event = { name, bytes_set(line) ? line : B("") };

		r = wire_bedrock.read_event(s, &event, &d);
		if (r == 1 && !d.error)
			check_parts(&d);
		if (r == 1 && d.error)
			require(d.error->message.n > 0, "an error says why");
	}
	wire_bedrock.read_end(s, &d);
	wire_bedrock.stream_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { (const char *)data, size };
	struct result *r;
	struct arena a;

	arena_init(&a, 64 << 20);
	error_clear();
	r = wire_bedrock.read_result(in, &inf, &dialect, &a);
	require(r || error_last()->kind != ERR_NONE, "a failure says why");
	for (size_t i = 0; r && i < r->len; i++)
		require(r->content[i].type != BLOCK_TOOL_CALL ||
				(bytes_set(r->content[i].id) && bytes_set(r->content[i].name) &&
				 bytes_set(r->content[i].arguments)),
			"a call is whole");
	stream(in, &a);
	arena_deinit(&a);
	error_clear();
	return 0;
}
