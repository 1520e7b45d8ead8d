/* The Responses API between requests (surfaces §4.5): what an answer is kept as, found again and shown. */
#ifndef SIGNET_API_RESPONSES_H
#define SIGNET_API_RESPONSES_H

#include "api/surface.h"

#endif
