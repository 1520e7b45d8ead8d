/* extra_body and extra_headers of a provider (config §2.19). */
#ifndef SIGNET_CONFIG_EXTRAS_H
#define SIGNET_CONFIG_EXTRAS_H

#include "config/read.h"

void read_extra_body(struct loader *, struct toml *, struct bytes path,
		     void *into); /* struct extras */
void read_extra_headers(struct loader *, struct toml *, struct bytes path,
			void *into); /* struct extras */
bool is_header_name(struct bytes);   /* RFC 9110 token */
bool is_header_value(struct bytes);  /* no control characters but tab */
bool is_secret_header(struct bytes name);

#endif
