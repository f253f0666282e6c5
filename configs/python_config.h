// A config in the form of a Python file, as LeapAI's projects have them: its literal assignments become fields.
#pragma once
#include <string>
#include <vector>

#include "configs/document.h"

namespace bevgrad::configs {

bool is_python_file(const std::string& path);

/// The shipped config whose name shares most words with a file's: hpa_step2_static for
/// lpperception_current_hpa_step2_static.py. "" where none has one in common.
std::string nearest_shipped(const std::string& path);

/// Lays what `text` (of `source`) assigns over `document`. A value goes to the field of its name; where several
/// messages have one, to that whose name is in the value's path (dict(train=dict(batch_size=8)), train_batch_size).
/// Returns a line each of what was taken, changed, and not taken with the reason.
std::vector<std::string> lay_python_over(Document& document, const std::string& text, const std::string& source);

}  // namespace bevgrad::configs
