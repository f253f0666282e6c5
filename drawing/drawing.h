// Room `drawing`: pictures of samples, drives and datasets, and report/: the self-contained HTML page of a run. Not
// here: the figures themselves (evaluation/).
#pragma once
#include "drawing/sample_picture.h"  // IWYU pragma: export
