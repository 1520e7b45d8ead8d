/*
 * The walks over the table of parameters that need no format: merging, printing, listing.
 */
#include "inference/params.h"

#include "inference/inference.h"

#define SAME            \
	{               \
		NULL, 0 \
	}

const struct param_row param_rows[PARAMS] = {
#define ROW(id, name, field, kind, place) [PARAM_##id] = { B(name), field, kind, place },
	PARAM_ROWS(ROW)
#undef ROW
};

bool param_is_set(const struct inference *inf, enum param p)
{
	switch (param_rows[p].kind) {
	case PARAM_F32:
	case PARAM_U32:
	case PARAM_I32:
	case PARAM_STRING:
	case PARAM_TIER: break;
	case PARAM_JSON_MODE: return inf->json_mode != JSON_MODE_UNSET;
	case PARAM_TEXT_LIST: return inf->stop_set;
	case PARAM_TOOL_LIST: return inf->tools && inf->tools->len > 0;
	case PARAM_TOOL_NAME: return inf->tools && inf->tools->choice != TOOL_CHOICE_UNSET;
	case PARAM_BOOL: return inf->tools && inf->tools->parallel >= 0;
	}
	return bytes_set(inf->params[p]);
}

struct bytes effort_of_budget(struct bytes tokens)
{
	uint64_t n = 0;

	if (!bytes_to_u64(tokens, &n) || n == 0)
		return (struct bytes){ NULL, 0 };
	return n < 4096 ? B("low") : n < 16384 ? B("medium") : B("high");
}

void params_overlay(struct inference *to, const struct inference *from)
{
	for (enum param p = 0; p < PARAMS; p++) {
		if (!param_is_recorded(p) || !param_is_set(from, p))
			continue;
		to->own &= ~PARAM_BIT(p);
		to->params[p] = from->params[p];
	}
	if (from->json_mode != JSON_MODE_UNSET)
		to->json_mode = from->json_mode;
	if (from->stop_set) {
		to->stop = from->stop;
		to->nstop = from->nstop;
		to->stop_set = true;
	}
}

static struct bytes json_mode_name(enum json_mode mode)
{
	static const struct bytes names[] = {
		[JSON_MODE_OFF] = B("off"),
		[JSON_MODE_ON] = B("on"),
		[JSON_MODE_STRICT] = B("strict"),
		[JSON_MODE_TOOL] = B("tool"),
	};

	return names[mode];
}

static int print_list(const struct inference *inf, struct buf *out)
{
	int bad = buf_putc(out, '[');

	for (size_t i = 0; i < inf->nstop && !bad; i++)
		bad = (i > 0 && buf_putc(out, ',')) || buf_json_string(out, inf->stop[i]);
	return bad || buf_putc(out, ']') ? -1 : 0;
}

int param_print(const struct inference *inf, enum param p, struct buf *out)
{
	switch (param_rows[p].kind) {
	case PARAM_STRING:
	case PARAM_TIER: return buf_json_string(out, inf->params[p]);
	case PARAM_JSON_MODE: /* of the tool that stands for it nothing is left but that */
		return buf_json_string(
			out, json_mode_name(inf->json_tool ? JSON_MODE_TOOL : inf->json_mode));
	case PARAM_TEXT_LIST: return print_list(inf, out);
	default: return buf_append(out, inf->params[p]);
	}
}

int params_print(const struct inference *inf, struct buf *out)
{
	size_t from = out->len;

	if (buf_putc(out, '{'))
		return -1;
	for (enum param p = 0; p < PARAMS; p++) {
		if (!param_is_recorded(p) || !param_is_set(inf, p))
			continue;
		if ((out->len > from + 1 && buf_putc(out, ',')) ||
		    buf_json_string(out, param_rows[p].name) || buf_putc(out, ':') ||
		    param_print(inf, p, out))
			return -1;
	}
	return buf_putc(out, '}');
}

/* Whether a provider is to do something for it. */
static bool asks(const struct inference *inf, enum param p)
{
	switch (param_rows[p].kind) {
	case PARAM_JSON_MODE:
		return inf->json_mode == JSON_MODE_ON || inf->json_mode == JSON_MODE_STRICT;
	case PARAM_TEXT_LIST: return inf->nstop > 0;
	case PARAM_TOOL_LIST:
		return inf->tools && (inf->tools->len > 0 || inf->tools->nprovider_tools > 0);
	default: return param_is_set(inf, p);
	}
}

void params_left_out(const struct inference *inf, void (*each)(void *ctx, struct bytes name),
		     void *ctx)
{
	for (size_t place = 1; place <= PARAMS; place++)
		for (enum param p = 0; p < PARAMS; p++)
			if (param_rows[p].place == place && asks(inf, p))
				each(ctx, param_rows[p].field.n ? param_rows[p].field
								: param_rows[p].name);
}
