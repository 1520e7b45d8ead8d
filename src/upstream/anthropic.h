/* What the types that carry Anthropic's Messages share. */
#ifndef SIGNET_UPSTREAM_ANTHROPIC_H
#define SIGNET_UPSTREAM_ANTHROPIC_H

#include "upstream/provider_type.h"
#include "wire/anthropic_messages/anthropic_messages.h"

/* Key `provider_tools`, into a struct anthropic_options. */
void anthropic_read_tools(struct loader *, struct toml *, struct bytes path, void *into);
/* Of key `thinking_display`: an index into these, from 1; 0: unset. */
extern const char *const anthropic_displays[];
/* What its servers fetch themselves. */
bool anthropic_takes_url(const struct file *);

#endif
