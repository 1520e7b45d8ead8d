/*
 * The idea: a text is read in several ways (as it is, with its escapes taken apart, as base64, as hex), each a view whose
 * bytes know where in the text they stand. In a view each piece of WINDOW bytes is looked up among all such pieces of the
 * secrets by a hash that rolls along, so that time grows with the text and not with text times secret. What is found is
 * marked in the text itself, and marks become [redacted] at the end.
 *
 * The trap: a text can be made to be slow. Every piece of a secret is in the table once, a bucket of CHAIN_MAX pieces
 * counts as found, and a gap of asterisks looks at WINDOW bytes on its two sides only.
 */
#include "upstream/redact.h"

#include <openssl/evp.h>

#include "config/read.h"
#include "upstream/view.h"

#define WINDOW     12u         /* bytes of a secret in a row that give it away */
#define LOOKED_MAX (64u << 10) /* bytes of all secrets */
#define BUCKETS    256u        /* at least */
#define CHAIN_MAX  16u
#define ROUNDS     3 /* escapes within escapes */
#define FACTOR     0x9E3779B97F4A7C15u
#define SCRATCH    (64u << 20)

static const struct bytes redacted = B("[redacted]");

/* ---- what is secret ---- */

static bool known(const struct secrets *s, struct bytes value)
{
	for (size_t i = 0; i < s->len; i++)
		if (bytes_eq(s->at[i], value))
			return true;
	return false;
}

static void add(struct secrets *s, struct bytes value)
{
	value = bytes_trim(value);
	if (value.n < SECRET_LEAST || known(s, value))
		return;
	if (s->len == SECRETS_MAX)
		s->too_many = true;
	else
		s->at[s->len++] = value;
}

static void add_basic(struct secrets *s, struct bytes text, struct arena *a)
{
	char *out = arena_alloc_raw(a, text.n + 4);
	struct bytes both, rest;
	int n;

	if (!out || text.n > LOOKED_MAX)
		return;
	n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text.p, (int)text.n);
	for (size_t i = text.n; n > 0 && i > 0 && text.p[i - 1] == '='; i--)
		n--;
	if (n <= 0)
		return;
	both = rest = (struct bytes){ out, (size_t)n };
	add(s, both);
	bytes_cut(&rest, ':');
	add(s, rest);
}

void secrets_add(struct secrets *s, struct bytes value, struct arena *a)
{
	struct bytes rest = bytes_trim(value), scheme;

	if (!bytes_set(value))
		return;
	scheme = bytes_cut(&rest, ' ');
	rest = bytes_trim(rest);
	if (bytes_ieq(scheme, B("basic")))
		add_basic(s, rest, a);
	add(s, rest.n && bytes_chr(rest, ' ') < 0 && bytes_chr(scheme, '=') < 0 ? rest : value);
}

void secrets_add_named(struct secrets *s, struct bytes name, struct bytes value, struct arena *a)
{
	ptrdiff_t signature =
		bytes_starts(value, B("AWS4-")) ? bytes_find(value, B("Signature=")) : -1;

	if (signature >=
	    0) /* the rest are names and a key's id, which are no secret and words of every error */
		value = bytes_slice(value, (size_t)signature, value.n);
	if (is_secret_header(name))
		secrets_add(s, value, a);
}

/* ---- the pieces of secrets ---- */

/* All pieces of one length, by their hash. A secret shorter than WINDOW is one piece of its own length. */
struct piece {
	const char *p;
	uint64_t hash;
	struct piece *next;
};
struct pieces {
	size_t length, mask;
	uint64_t leaving; /* FACTOR to the power of length */
	bool whole_words;
	struct piece **buckets;
};

struct reader {
	struct arena scratch;
	struct pieces *by_length[WINDOW + 1];
	struct bytes secrets[SECRETS_MAX]; /* in small letters */
	size_t nsecrets, buckets;
	struct bytes text;
	char *marked; /* a flag for each byte of the text */
	char *low;    /* the view that is looked at, in small letters */
	struct view views[2], digits;
	bool found;
};

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static uint64_t roll(uint64_t hash, char in)
{
	return hash * FACTOR + (unsigned char)in + 1;
}

static struct piece **bucket_of(const struct pieces *t, uint64_t hash)
{
	return &t->buckets[((hash ^ (hash >> 29)) * FACTOR >> 32) & t->mask];
}

static bool is_piece(const struct pieces *t, const char *p, uint64_t hash)
{
	unsigned seen = 0;

	for (const struct piece *c = *bucket_of(t, hash); c; c = c->next)
		if (++seen == CHAIN_MAX || (c->hash == hash && !memcmp(c->p, p, t->length)))
			return true;
	return false;
}

static struct pieces *pieces_of(struct reader *r, size_t length)
{
	struct pieces *t = r->by_length[length];

	if (t)
		return t;
	t = arena_new(&r->scratch, struct pieces);
	if (!t || !(t->buckets = arena_array(&r->scratch, struct piece *, r->buckets)))
		return NULL;
	t->length = length;
	t->mask = r->buckets - 1;
	t->leaving = 1;
	t->whole_words = length < 8;
	for (size_t i = 0; i < length; i++)
		t->leaving *= FACTOR;
	return r->by_length[length] = t;
}

static int put_piece(struct reader *r, struct pieces *t, const char *p, uint64_t hash)
{
	struct piece **bucket = bucket_of(t, hash), *c;

	if (is_piece(t, p, hash))
		return 0;
	c = arena_new(&r->scratch, struct piece);
	if (!c)
		return -1;
	*c = (struct piece){ p, hash, *bucket };
	*bucket = c;
	return 0;
}

static int put_secret(struct reader *r, struct bytes secret)
{
	size_t length = secret.n < WINDOW ? secret.n : WINDOW;
	struct pieces *t = pieces_of(r, length);
	char *low = arena_alloc_raw(&r->scratch, secret.n);
	uint64_t hash = 0;

	if (!t || !low)
		return -1;
	for (size_t i = 0; i < secret.n; i++) {
		low[i] = fold(secret.p[i]);
		hash = roll(hash, low[i]);
		if (i >= length)
			hash -= t->leaving * ((unsigned char)low[i - length] + 1u);
		if (i + 1 >= length && put_piece(r, t, low + i + 1 - length, hash))
			return -1;
	}
	r->secrets[r->nsecrets++] = (struct bytes){ low, secret.n };
	return 0;
}

/* ---- finding ---- */

static void mark(struct reader *r, uint32_t from, uint32_t to)
{
	if (from < to)
		memset(r->marked + from, 1, to - from);
	r->found = true;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (fold(c) >= 'a' && fold(c) <= 'z');
}

static bool stands_alone(const struct view *v, size_t from, size_t to)
{
	return (from == 0 || !is_word(v->text[from - 1])) && (to == v->n || !is_word(v->text[to]));
}

/* Marks all pieces of that length, and what a view left out between their bytes. */
static void find_pieces(struct reader *r, const struct pieces *t, const struct view *v)
{
	uint64_t hash = 0;
	size_t done = 0; /* bytes of the view that are marked up to here */

	for (size_t i = 0; i < v->n; i++) {
		size_t from = i + 1 - t->length;

		hash = roll(hash, r->low[i]);
		if (i >= t->length)
			hash -= t->leaving * ((unsigned char)r->low[i - t->length] + 1u);
		if (i + 1 < t->length || !is_piece(t, r->low + from, hash) ||
		    (t->whole_words && !stands_alone(v, from, i + 1)))
			continue;
		mark(r, from < done ? v->end[done - 1] : v->at[from], v->end[i]);
		done = i + 1;
	}
}

/* ---- "sk-abc...wxyz" ---- */

static bool is_filler(char c)
{
	return c == '*' || c == '.' || c == '#' || c == '?' || c == '~' || (unsigned char)c >= 0x80;
}

/* "[hidden]", "<redacted>", "(...)": words or fillers, not both, or "(sk-abc...)" were one. How long it is; 0: it is none. */
static size_t bracketed(const char *p, size_t n)
{
	static const char open[] = "[<({", close[] = "]>)}";
	const char *which = *p ? strchr(open, *p) : NULL;
	bool words = false, fillers = false;

	for (size_t i = 1; which && i < n && i < 32; i++) {
		if (p[i] == close[which - open])
			return i + 1;
		words |= is_word(p[i]) || p[i] == '_' || p[i] == ' ';
		fillers |= is_filler(p[i]);
		if (words == fillers || (!words && !is_filler(p[i])) ||
		    (words && !is_word(p[i]) && p[i] != '_' && p[i] != ' '))
			break;
	}
	return 0;
}

/* What may stand for the middle of a secret at the front of the text; 0: nothing. */
static size_t filler(const char *p, size_t n)
{
	size_t i = 0, before, x = 0;

	do {
		before = i;
		while (i < n && is_filler(p[i]))
			i++;
		while (i + x < n && p[i + x] == 'x')
			x++;
		if (x > 2)
			i += x;
		x = 0;
		if (i < n)
			i += bracketed(p + i, n - i);
	} while (i > before && i < n);
	return i >= 2 || (i == 1 && (*p == '*' || *p == (char)VIEW_BEYOND)) ? i : 0;
}

/* How much of the secret's beginning stands before `to`; of its end behind `from`. WINDOW: what is marked. */
static size_t beginning(const struct reader *r, const struct view *v, struct bytes secret,
			size_t to)
{
	size_t n = secret.n < WINDOW ? secret.n - 1 : WINDOW - 1;

	if (to > 0 && r->marked[v->at[to - 1]])
		return WINDOW;
	for (n = n < to ? n : to; n > 0; n--)
		if (!memcmp(r->low + to - n, secret.p, n))
			break;
	return n;
}

static size_t ending(const struct reader *r, const struct view *v, struct bytes secret, size_t from)
{
	size_t n = secret.n < WINDOW ? secret.n - 1 : WINDOW - 1, left = v->n - from;

	if (left > 0 && r->marked[v->at[from]])
		return WINDOW;
	for (n = n < left ? n : left; n > 0; n--)
		if (!memcmp(r->low + from, secret.p + secret.n - n, n))
			break;
	return n;
}

/*
 * The gap from `from` to `to` is a secret's middle if enough of the secret is around it: something on both sides, or more on
 * one that it touches.
 */
static void judge_gap(struct reader *r, const struct view *v, size_t from, size_t to)
{
	const char *low = r->low;
	size_t left = from > 0 && low[from - 1] == ' ' ? from - 1 : from,
	       right = to < v->n && low[to] == ' ' ? to + 1 : to;
	bool touches_left = left == from && !strchr("[<({", low[from]),
	     touches_right = right == to && !strchr("]>)}", low[to - 1]);

	for (size_t i = 0; i < r->nsecrets; i++) {
		size_t before = beginning(r, v, r->secrets[i], left),
		       behind = ending(r, v, r->secrets[i], right);

		if (r->secrets[i].n < 8 || !((before >= 3 && behind >= 2) ||
					     (touches_left && before >= 6 && before < WINDOW) ||
					     (touches_right && behind >= 4 && behind < WINDOW)))
			continue;
		left -= before < WINDOW ? before : 0;
		right += behind < WINDOW ? behind : 0;
		return mark(r, v->at[before ? left : from], v->end[(behind ? right : to) - 1]);
	}
}

static void find_gaps(struct reader *r, const struct view *v)
{
	for (size_t i = 0; i < v->n;) {
		size_t n = filler(r->low + i, v->n - i);

		if (n)
			judge_gap(r, v, i, i + n);
		i += n ? n : 1;
	}
	r->low[v->n] = '.'; /* where a text is cut off, so may be a secret */
	judge_gap(r, v, v->n, v->n);
}

/* ---- readings ---- */

static void find(struct reader *r, const struct view *v, bool gaps)
{
	for (size_t i = 0; i < v->n; i++)
		r->low[i] = fold(v->text[i]);
	for (size_t i = 0; i <= WINDOW; i++)
		if (r->by_length[i])
			find_pieces(r, r->by_length[i], v);
	if (gaps)
		find_gaps(r, v);
}

static void find_in_digits(struct reader *r, const struct view *v)
{
	for (unsigned shift = 0; view_digits(v, shift, &r->digits); shift++)
		if (r->digits.n)
			find(r, &r->digits, false);
}

static void read_all(struct reader *r)
{
	struct view *v = &r->views[0], *next = &r->views[1];

	for (uint32_t i = 0; i < r->text.n; i++)
		view_put(v, r->text.p[i], i, i + 1);
	for (int round = 0;; round++) {
		struct view *read = v;

		find(r, v, true);
		find_in_digits(r, v);
		if (round == ROUNDS || !view_unescape(v, next))
			break;
		v = next;
		next = read;
	}
}

/* ---- what is left ---- */

/* A byte, or a backslash with what it escapes. */
static size_t unit_at(struct bytes t, size_t i)
{
	return t.p[i] == '\\' && i + 1 < t.n ? 2 : 1;
}

static bool is_marked(const struct reader *r, size_t i, size_t unit)
{
	return r->marked[i] || r->marked[i + unit - 1];
}

static bool in_number(char c)
{
	return is_word(c) || c == '.' || c == '+' || c == '-' || c == '_';
}

static bool is_json(struct bytes t)
{
	while (t.n && (*t.p == ' ' || *t.p == '\t' || *t.p == '\n' || *t.p == '\r'))
		t = bytes_slice(t, 1, t.n);
	return t.n && (*t.p == '{' || *t.p == '[');
}

/* Outside of a string JSON has numbers and words only: all of one goes. Inside of one no escape is cut. */
static struct bytes print(struct reader *r, struct arena *a)
{
	struct bytes t = r->text;
	bool json = is_json(t), inside = false;
	char *out = arena_alloc_raw(a, t.n * (redacted.n + 2) + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < t.n;) {
		bool bare = json && !inside;
		size_t unit = unit_at(t, i);

		if (!is_marked(r, i, unit)) {
			inside ^= t.p[i] == '"';
			memcpy(out + n, t.p + i, unit);
			n += unit;
			i += unit;
			continue;
		}
		while (bare && n && in_number(out[n - 1]))
			n--;
		for (; i < t.n && (is_marked(r, i, unit) || (bare && in_number(t.p[i]))); i += unit)
			unit = unit_at(t, i);
		if (bare)
			out[n++] = '"';
		memcpy(out + n, redacted.p, redacted.n);
		n += redacted.n;
		if (bare)
			out[n++] = '"';
	}
	if (out)
		arena_trim(a, out + n);
	return (struct bytes){ out, n };
}

static size_t length_of(const struct secrets *s)
{
	size_t all = 0;

	for (size_t i = 0; i < s->len; i++)
		all += s->at[i].n;
	return all;
}

static int prepare(struct reader *r, const struct secrets *s)
{
	size_t room = r->text.n + 1;

	for (r->buckets = BUCKETS; r->buckets < 2 * length_of(s);)
		r->buckets *= 2;
	for (size_t i = 0; i < s->len; i++)
		if (put_secret(r, s->at[i]))
			return -1;
	r->marked = arena_alloc(&r->scratch, room);
	r->low = arena_alloc_raw(&r->scratch, 2 * room);
	return !r->marked || !r->low || view_new(&r->views[0], room, &r->scratch) ||
			       view_new(&r->views[1], room, &r->scratch) ||
			       view_new(&r->digits, 2 * room, &r->scratch)
		       ? -1
		       : 0;
}

struct bytes redact(struct bytes text, const struct secrets *s, struct arena *a)
{
	struct reader r = { .text = bytes_head(text, REDACT_MAX) };
	struct bytes out = r.text;

	if (!text.n || (!s->len && !s->too_many))
		return text;
	if (s->too_many || length_of(s) > LOOKED_MAX)
		return redacted;
	arena_init(&r.scratch, SCRATCH);
	if (prepare(&r, s)) {
		out = (struct bytes){ NULL, 0 };
	} else {
		read_all(&r);
		if (r.found)
			out = print(&r, a);
	}
	arena_deinit(&r.scratch);
	return out;
}
