/*
 * What a delta says, and keeping one: it lives until the next event is read, and what stands before an answer's first
 * content must wait for it (surfaces §1.7).
 */
#include "inference/inference.h"

bool part_is_empty(const struct part *p)
{
	switch (p->type) {
	case PART_TOOL_CALL:
	case PART_UNKNOWN: return false;
	case PART_THOUGHT:
		return p->text.n == 0 && p->signature.n == 0 && p->summary_text.n == 0 &&
		       !bytes_set(p->extra_data);
	case PART_TEXT:
	case PART_REFUSAL: break;
	}
	return p->text.n == 0;
}

bool delta_has_content(const struct delta *d)
{
	for (size_t i = 0; i < d->len; i++)
		if (!part_is_empty(&d->parts[i]))
			return true;
	return d->beyond || bytes_set(d->annotations);
}

/* An unset text stays so; false: out of memory. */
static bool own(struct bytes *text, struct arena *a)
{
	if (!bytes_set(*text))
		return true;
	*text = arena_dup(a, *text);
	return bytes_set(*text);
}

static bool own_part(struct part *p, struct arena *a)
{
	return own(&p->id, a) && own(&p->text, a) && own(&p->name, a) && own(&p->arguments, a) &&
	       own(&p->signature, a) && own(&p->summary_id, a) && own(&p->summary_text, a) &&
	       own(&p->provider_type, a) && own(&p->extra_data, a) && own(&p->item_id, a);
}

int delta_keep(struct delta *d, struct arena *a)
{
	struct part *parts = d->len ? arena_array(a, struct part, d->len) : NULL;

	if (d->len && !parts)
		return -1;
	for (size_t i = 0; i < d->len; i++) {
		parts[i] = d->parts[i];
		if (!own_part(&parts[i], a))
			return -1;
	}
	d->parts = parts;
	d->alike = (struct bytes){ NULL, 0 }; /* its strings are views of the event */
	d->nholes = 0;
	return own(&d->raw, a) && own(&d->event, a) && own(&d->raw_usage, a) &&
			       own(&d->annotations, a) && own(&d->provider_id, a) &&
			       own(&d->provider_model, a) && own(&d->service_tier, a) &&
			       own(&d->system_fingerprint, a) && own(&d->mended, a) &&
			       own(&d->stop_sequence, a) && own(&d->stop_explanation, a)
		       ? 0
		       : -1;
}
