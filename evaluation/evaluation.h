// Room `evaluation`: metrics as functions of predictions and labels, their counts over frames and series, and their
// tables. Not here: pictures (drawing/), running a network (train/).
#pragma once
#include "evaluation/evaluator.h"  // IWYU pragma: export
