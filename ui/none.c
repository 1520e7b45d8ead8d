/* In place of the web application's files where it was not built (tools/dev/ui.sh). */
#include "api/ui.h"

const struct ui_file ui_files[] = { { 0 } };
