/* What of a client's request only this format can say: named to the client where a provider of another family answers. */
#include "wire/anthropic_messages/read_request.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/anthropic_messages/write_request.h"

#define TYPE_SHOWN 64 /* bytes of a tool's type */

static bool is_understood(struct bytes key)
{
	static const struct bytes keys[] = {
		B("model"),    B("max_tokens"),    B("messages"),     B("system"),
		B("stream"),   B("temperature"),   B("top_p"),        B("stop_sequences"),
		B("tools"),    B("tool_choice"),   B("thinking"),     B("output_config"),
		B("metadata"), B("output_format"), B("service_tier"), B("cache_control"),
	};

	for (size_t i = 0; i < COUNT(keys); i++)
		if (json_key_is(key, keys[i]))
			return true;
	return bytes_starts(key, B("tensorzero::"));
}

static void name_tools(struct bytes list, struct buf *ignored)
{
	struct bytes one;
	size_t pos = 0;

	for (size_t i = 0; json_next_element(list, &pos, &one) > 0; i++) {
		char path[TYPE_SHOWN + 40];
		struct json_member m;
		struct bytes type;
		int n;

		if (!json_find_member(one, B("type"), &m) || m.value.n < 2 || *m.value.p != '"')
			continue;
		type = bytes_slice(m.value, 1, m.value.n - 2);
		if (!messages_tool_is_hosted(type))
			continue;
		n = snprintf(path, sizeof path, "tools[%zu]:%.*s", i,
			     BFMT(bytes_slice(type, 0, TYPE_SHOWN)));
		claude_ignored(ignored, (struct bytes){ path, (size_t)n });
	}
}

int anthropic_foreign_fields(const struct inference *inf, struct buf *ignored)
{
	struct json_member m, inner;
	size_t pos = 0;

	if (bytes_set(inf->unsayable))
		return fail_param(ERR_INVALID_REQUEST, inf->unsayable_param, "unsupported_value",
				  "%.*s", BFMT(inf->unsayable));
	while (bytes_set(inf->source) && json_next_member(inf->source, &pos, &m) > 0) {
		if (json_key_is(m.key, B("tools")) && *m.value.p == '[')
			name_tools(m.value, ignored);
		else if (json_key_is(m.key, B("output_config")) &&
			 json_find_member(m.value, B("task_budget"), &inner))
			claude_ignored(ignored, B("output_config.task_budget"));
		else if (!is_understood(m.key) && !bytes_eq(m.value, B("null")))
			claude_ignored(ignored, m.key);
	}
	return 0;
}
