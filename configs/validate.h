// Whether a config can be what its writer meant.
#pragma once
#include "configs/document.h"

namespace bevgrad::configs {

/// Throws UsageError at the first impossible value: one line with its file and line, the field, the value and what was
/// expected. `document` has had fill_defaults(). Whether the data fits is judged when the data is opened.
void validate(const Document& document);

/// Judges the history's reach against the data: throws UsageError where `max_capacity` frames, `period` seconds apart,
/// cannot reach the longest interval, although the temporal fusion is on.
void validate_history_reach(const Document& document, double period);

}  // namespace bevgrad::configs
