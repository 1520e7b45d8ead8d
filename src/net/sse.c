/*
 * The event-stream reader: lines, then fields, then events.
 *
 * An event that lies whole in one piece is handed out as a view of that piece. Only what the end of a
 * piece cuts is copied: the unfinished line to `line`, the unfinished event to `data` and `name`. All
 * three are bounded by max_event, and so is an event that was never copied.
 *
 * Traps: a CR that ends a piece may be half of a CRLF (skip_lf); a piece of CRs without any LF must not
 * be searched for its LF once a line (next_lf remembers); the byte order mark may itself be cut, so it is
 * taken off the first line when that is complete.
 */
#include "net/sse.h"

#include "base/error.h"

#define SSE_FIELD 64   /* room in a line for what stands before the value */
#define SSE_KEEP  4096 /* a buffer that grew past this is given back after its event */

void sse_init(struct sse *s, size_t max_event)
{
	*s = (struct sse){ 0 };
	buf_init(&s->line, max_event + SSE_FIELD);
	buf_init(&s->data, max_event);
	buf_init(&s->name, max_event);
}

void sse_deinit(struct sse *s)
{
	buf_deinit(&s->line);
	buf_deinit(&s->data);
	buf_deinit(&s->name);
}

void sse_feed(struct sse *s, struct bytes piece)
{
	s->in = piece;
	s->next_lf = NULL;
}

static void clear(struct buf *b)
{
	size_t max = b->max;

	if (b->cap > SSE_KEEP) {
		buf_deinit(b);
		buf_init(b, max);
	} else {
		buf_reset(b);
	}
}

static void forget_event(struct sse *s)
{
	clear(&s->data);
	clear(&s->name);
	s->direct = s->name_direct = (struct bytes){ 0 };
	s->has_data = s->given = false;
}

static int too_large(const struct sse *s)
{
	return fail(ERR_TOO_LARGE, "an event of the stream is over %zu bytes", s->data.max);
}

static int append(struct sse *s, struct buf *b, struct bytes more)
{
	if (more.n > b->max - b->len)
		return too_large(s);
	return buf_append(b, more);
}

static int keep_view(struct sse *s, struct bytes *view, struct buf *b)
{
	struct bytes v = *view;

	*view = (struct bytes){ 0 };
	return bytes_set(v) ? append(s, b, v) : 0;
}

/* What of the event still lies in the piece moves to the buffers. */
static int keep_event(struct sse *s)
{
	return keep_view(s, &s->direct, &s->data) || keep_view(s, &s->name_direct, &s->name) ? -1
											     : 0;
}

static int add_data(struct sse *s, struct bytes value, bool in_piece)
{
	if (!s->has_data && in_piece) {
		if (value.n > s->data.max)
			return too_large(s);
		s->has_data = true;
		s->direct = value;
		return 0;
	}
	if (keep_event(s))
		return -1;
	if (s->has_data && append(s, &s->data, B("\n")))
		return -1;
	s->has_data = true;
	return append(s, &s->data, value);
}

static int set_name(struct sse *s, struct bytes value, bool in_piece)
{
	clear(&s->name);
	s->name_direct = (struct bytes){ 0 };
	if (value.n > s->name.max)
		return too_large(s);
	if (in_piece) {
		s->name_direct = value;
		return 0;
	}
	return append(s, &s->name, value);
}

/* One line without its end. 1: it was blank and completes an event. */
static int take_line(struct sse *s, struct bytes line, bool in_piece)
{
	struct bytes field = line, value = B("");
	ptrdiff_t colon;

	if (!s->started) {
		s->started = true;
		if (bytes_starts(line, B("\xEF\xBB\xBF")))
			field = line = bytes_slice(line, 3, line.n);
	}
	if (line.n == 0) {
		if (s->has_data)
			return 1;
		forget_event(s);
		return 0;
	}
	if (line.p[0] == ':') {
		s->comments++;
		return 0;
	}
	colon = bytes_chr(line, ':');
	if (colon >= 0) {
		field.n = (size_t)colon;
		value = (struct bytes){ line.p + colon + 1, line.n - (size_t)colon - 1 };
		if (value.n && value.p[0] == ' ') {
			value.p++;
			value.n--;
		}
	}
	if (bytes_eq(field, B("data")))
		return add_data(s, value, in_piece);
	if (bytes_eq(field, B("event")))
		return set_name(s, value, in_piece);
	return 0;
}

/* The next complete line of the piece: true, with its end taken off the input. */
static bool cut_line(struct sse *s, struct bytes *line)
{
	const char *end = s->in.p + s->in.n, *stop, *cr;

	if (s->skip_lf && s->in.n) {
		s->skip_lf = false;
		if (s->in.p[0] == '\n') {
			s->in.p++;
			s->in.n--;
		}
	}
	if (s->in.n == 0)
		return false;
	if (!s->next_lf || s->next_lf < s->in.p) {
		s->next_lf = memchr(s->in.p, '\n', s->in.n);
		if (!s->next_lf)
			s->next_lf = end;
	}
	cr = memchr(s->in.p, '\r', (size_t)(s->next_lf - s->in.p));
	stop = cr ? cr : s->next_lf;
	if (stop == end)
		return false;
	*line = (struct bytes){ s->in.p, (size_t)(stop - s->in.p) };
	stop++;
	if (cr) {
		if (stop == end)
			s->skip_lf = true;
		else if (*stop == '\n')
			stop++;
	}
	s->in = (struct bytes){ stop, (size_t)(end - stop) };
	return true;
}

static int give_event(struct sse *s, struct sse_event *ev)
{
	ev->data = bytes_set(s->direct) ? s->direct : buf_bytes(&s->data);
	ev->event = bytes_set(s->name_direct) ? s->name_direct : buf_bytes(&s->name);
	s->given = true;
	return 1;
}

int sse_next(struct sse *s, struct sse_event *ev)
{
	struct bytes line;

	if (s->given)
		forget_event(s);
	while (cut_line(s, &line)) {
		bool in_piece = s->line.len == 0;
		int r;

		if (!in_piece) {
			if (append(s, &s->line, line))
				return -1;
			line = buf_bytes(&s->line);
		}
		r = take_line(s, line, in_piece);
		if (!in_piece)
			clear(&s->line);
		if (r < 0)
			return -1;
		if (r > 0)
			return give_event(s, ev);
	}
	if (append(s, &s->line, s->in))
		return -1;
	s->in = (struct bytes){ 0 };
	s->next_lf = NULL;
	return keep_event(s);
}

int sse_end(struct sse *s, struct sse_event *ev)
{
	int r = 0;

	if (s->given)
		forget_event(s);
	if (s->line.len) {
		r = take_line(s, buf_bytes(&s->line), false);
		buf_reset(&s->line);
	}
	if (r < 0 || !s->has_data)
		return 0;
	return give_event(s, ev);
}
