/* A data directory a test, for the tests of the store that inject faults: empty before, gone after, and nothing injected. */
#ifndef SIGNET_TESTS_STORE_DIR_H
#define SIGNET_TESTS_STORE_DIR_H

#include "store_rows.h"

#include "base/fault.h"

static char dir[256];

static int setup(void **state)
{
	(void)state;
	temp_dir(dir, sizeof(dir));
	fault_setup(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fault_setup(NULL);
	remove_tree(dir);
	return 0;
}

#endif
