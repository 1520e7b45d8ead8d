/*
 * How many tokens a request's input comes to, where no upstream counts them (surfaces §5.6): a rule of thumb, the same for
 * the same request always. Pure.
 */
#ifndef SIGNET_WIRE_ESTIMATE_H
#define SIGNET_WIRE_ESTIMATE_H

#include "inference/inference.h"

uint64_t estimate_input(const struct inference *);

#endif
