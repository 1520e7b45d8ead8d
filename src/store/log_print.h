/* How `signet log` tells of an inference: a line, a page, or the JSON of ui.md §5. */
#ifndef SIGNET_STORE_LOG_PRINT_H
#define SIGNET_STORE_LOG_PRINT_H

#include "store/log_read.h"

/* `colour`: for a terminal. Ends with a newline. -1: out of memory. */
int log_print_line(const struct log_entry *, bool colour, struct buf *out, struct arena *);
int log_print_row_json(const struct log_entry *, struct buf *out, struct arena *);
/* The entry has its bodies. `raw`: the bodies of each attempt instead of the conversation. */
int log_print_page(const struct log_entry *, bool colour, bool raw, struct buf *out,
		   struct arena *);
int log_print_detail_json(const struct log_entry *, struct buf *out, struct arena *);

#endif
