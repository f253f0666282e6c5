// Room `base`: what every other room may use and what knows none of them: errors, text made fit for messages, near
// names, files that appear whole, signals, the version.
#pragma once
#include "base/error.h"  // IWYU pragma: export
