/*
 * What makes a warning the same: area, message, the status and every text but the ids of the request. Two failures of one
 * provider with another kind, status or text are two lines. Upstreams put ids of their own into their texts ("request
 * 8f3c02aa1 failed"): words of eight and more letters and digits that hold a digit do not count, or nothing would ever be
 * a repeat.
 */
#include "base/log_repeats.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/time.h"

#define REPEAT_MS 60000
#define ID_MIN    8 /* letters and digits of a word that may be an id */

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint64_t mix(uint64_t hash, struct bytes b)
{
	return (hash << 7 | hash >> 57) ^ hash_bytes(b);
}

static bool has_digit(struct bytes word)
{
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] >= '0' && word.p[i] <= '9')
			return true;
	return false;
}

/* The text without what looks like ids. */
static uint64_t mix_text(uint64_t hash, struct bytes t)
{
	size_t from = 0, i = 0;

	while (i < t.n) {
		size_t begin = i;

		while (i < t.n && is_word(t.p[i]))
			i++;
		if (i - begin >= ID_MIN && has_digit(bytes_slice(t, begin, i - begin))) {
			hash = mix(hash, bytes_slice(t, from, begin - from));
			from = i;
		}
		if (i == begin)
			i++;
	}
	return mix(hash, bytes_slice(t, from, t.n - from));
}

static bool is_id(const struct log_field *f)
{
	return strcmp(f->key, "request_id") == 0 || strcmp(f->key, "inference_id") == 0;
}

static uint64_t identity(const char *area, const char *msg, const struct log_field *fields)
{
	uint64_t hash = mix(hash_bytes(bytes_of(area)), bytes_of(msg));

	for (; fields && fields->key; fields++) {
		if (fields->type == LOG_TEXT && bytes_set(fields->text) && !is_id(fields))
			hash = mix_text(mix(hash, bytes_of(fields->key)), fields->text);
		else if (fields->type == LOG_INT && strcmp(fields->key, "status") == 0)
			hash = hash * 31 + (uint64_t)fields->num;
	}
	return hash | 1;
}

/* The fields outlive the caller's. */
static void keep_fields(struct repeat *r, const struct log_field *fields)
{
	size_t n = 0, used = 0;

	for (; fields && fields->key && n < REPEAT_FIELDS_MAX; fields++) {
		struct log_field *f = &r->fields[n++];

		*f = *fields;
		if (f->type != LOG_TEXT || !bytes_set(f->text))
			continue;
		f->text = bytes_head(f->text, sizeof(r->text) - used);
		memcpy(r->text + used, f->text.p, f->text.n);
		f->text.p = r->text + used;
		used += f->text.n;
	}
	r->fields[n] = (struct log_field){ 0 };
}

static struct repeat *find(struct repeats *all, uint64_t hash, struct repeat **free_one)
{
	*free_one = NULL;
	for (size_t i = 0; i < REPEATS_MAX; i++) {
		if (all->at[i].hash == hash)
			return &all->at[i];
		if (!all->at[i].hash && !*free_one)
			*free_one = &all->at[i];
	}
	return NULL;
}

bool repeats_hold(struct repeats *all, const char *area, const char *msg,
		  const struct log_field *fields, uint64_t now, uint64_t *count)
{
	uint64_t hash = identity(area, msg, fields);
	struct repeat *free_one, *r = find(all, hash, &free_one);

	*count = 0;
	if (r && now - r->since_ms < REPEAT_MS) {
		r->count++;
		keep_fields(r, fields);
		return true;
	}
	if (r)
		*count = r->count ? r->count + 1 : 0;
	else if (!(r = free_one))
		return false;
	r->hash = hash;
	r->since_ms = now;
	r->count = 0;
	snprintf(r->area, sizeof(r->area), "%s", area);
	snprintf(r->msg, sizeof(r->msg), "%s", msg);
	return false;
}

void repeats_due(struct repeats *all, uint64_t now, void (*tell)(const struct repeat *))
{
	for (size_t i = 0; i < REPEATS_MAX; i++) {
		struct repeat *r = &all->at[i];

		if (!r->hash || now - r->since_ms < REPEAT_MS)
			continue;
		if (r->count)
			tell(r);
		if (!r->count || now == TIME_NEVER)
			r->hash = 0;
		r->count = 0;
		r->since_ms = now;
	}
}
