/*
 * Reading parameters by their kind. Numbers go through as text, so that no reader rounds what a client
 * wrote (0.7 stays 0.7).
 */
#include "wire/params.h"

static int read_tier(const struct where *w, yyjson_val *v, struct bytes *out)
{
	static const struct bytes tiers[] = { B("auto"), B("default"), B("priority"), B("flex") };
	int which = expect_choice(w, v, tiers, COUNT(tiers));

	if (which < 0)
		return -1;
	*out = tiers[which];
	return 0;
}

int param_read(const struct where *w, enum param p, yyjson_val *v, bool open, struct bytes *out)
{
	switch (param_rows[p].kind) {
	case PARAM_F32: return expect_f32(w, v, out);
	case PARAM_U32: return open ? expect_i64(w, v, out) : expect_u32(w, v, out);
	case PARAM_I32: return expect_i32(w, v, out);
	case PARAM_TIER: return open ? expect_string(w, v, out) : read_tier(w, v, out);
	default: return expect_string(w, v, out);
	}
}
