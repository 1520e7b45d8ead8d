/* extra_body and extra_headers (config §2.19, http-api §8), of a provider's table and of a request. Data only. */
#ifndef SIGNET_INFERENCE_EXTRA_H
#define SIGNET_INFERENCE_EXTRA_H

#include "base/bytes.h"

struct extra {
	struct bytes pointer; /* extra_body: JSON pointer; extra_headers: the header's name */
	struct bytes value;   /* JSON text; header: its text */
	bool remove;
	struct bytes variant_name, model_name, provider_name; /* filters, unset = any */
};

struct extras {
	struct extra *at;
	size_t len, cap;
};

struct wire;

#endif
