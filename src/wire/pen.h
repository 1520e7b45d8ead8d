#include "base/pen.h"
