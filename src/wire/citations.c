/*
 * Anthropic cites block by block: the whole text of a block rests on its citations. OpenAI names places in the one text, so the
 * block's place becomes theirs. Only what has a URL can be said: pages of a search, and results that a client brought.
 */
#include "wire/citations.h"

#include "base/error.h"

uint64_t citations_chars(struct bytes text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

static struct bytes url_of(yyjson_val *citation)
{
	struct bytes type = json_str(json_get(citation, "type"));

	if (bytes_eq(type, B("web_search_result_location")))
		return json_str(json_get(citation, "url"));
	if (bytes_eq(type, B("search_result_location")))
		return json_str(json_get(citation, "source"));
	return (struct bytes){ NULL, 0 };
}

int citations_add(struct buf *out, yyjson_val *citation, uint64_t start, uint64_t end)
{
	struct bytes url = url_of(citation), title = json_str(json_get(citation, "title"));
	struct buf one;
	struct pen p = { .b = &one };
	int r;

	if (!url.n || url.n + title.n > CITATIONS_MAX / 8)
		return 0;
	buf_init(&one, CITATIONS_MAX);
	if (out->len)
		pen_lit(&p, ",");
	pen_head(&p, "{\"type\":\"url_citation\"");
	pen_text(&p, "url", url);
	pen_text(&p, "title", bytes_set(title) ? title : B(""));
	pen_number(&p, "start_index", start);
	pen_number(&p, "end_index", end);
	pen_close(&p, '}');
	r = pen_done(&p);
	if (!r && out->len + one.len < CITATIONS_MAX)
		r = buf_append(out, buf_bytes(&one));
	buf_deinit(&one);
	return r;
}
