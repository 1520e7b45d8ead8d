/* The sampling parameters of inference/params.h as JSON: what every format's reader and writer shares. */
#ifndef SIGNET_WIRE_PARAMS_H
#define SIGNET_WIRE_PARAMS_H

#include "inference/inference.h"
#include "wire/expect.h"
#include "base/pen.h"

/* Reads one whose value is text, as its kind says. `open`: any tier, and of whole numbers any of 64 bits. 0, or the error of wire/expect.h. */
int param_read(const struct where *, enum param, yyjson_val *, bool open, struct bytes *out);

static inline void param_write(struct pen *p, const struct inference *inf, enum param param)
{
	if (param_print(inf, param, p->b))
		p->failed = true;
}

#endif
