// Names on which the judgement of a pickle's globals rests.
#pragma once
#include <string_view>
#include <unordered_set>

namespace bevgrad {

using GlobalNames = std::unordered_set<std::string_view>;

/// Globals that are plain data whatever their arguments: "collections.OrderedDict".
const GlobalNames& plain_globals();
/// Top-level modules of Python's standard library, and of Python 2's: what is not plain data there acts.
const GlobalNames& standard_library();
/// Packages whose purpose is to rebuild or run code.
const GlobalNames& code_makers();
/// Modules of PyTorch and NumPy in which classes act too.
const GlobalNames& acting_modules();

}  // namespace bevgrad
