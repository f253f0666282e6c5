// Which globals of a pickle are data and which would act. Nothing is ever imported or called here; this judgement is
// for the person who got the file, and it makes programs stop at files that were made to do harm.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/value.h"

namespace bevgrad {

enum class Trust {
  Known,    // plain data: containers, dates, paths, NumPy and PyTorch values
  Inert,    // a class or function of another library: kept as a name
  Harmful,  // would run code, open files or start processes: Python's standard library outside plain data, the
            // machinery of PyTorch, NumPy and pickle extensions
};
std::string_view name(Trust trust);

/// Judges a global by its name, "module.name".
Trust judge_global(std::string_view global);

/// One global of a document and how often it is called.
struct GlobalUse {
  std::string name;
  Trust trust = Trust::Inert;
  uint64_t first = 0;  // byte of the pickle
  uint64_t mentions = 0;
  uint64_t calls = 0;
};
/// In the order in which they come.
std::vector<GlobalUse> list_globals(const Document& document);

/// A pickle, or a file around one, that is not whole. Python runs a pickle while it reads it: what it named by then is
/// what it would have done.
class BrokenPickle : public Error {
 public:
  BrokenPickle(const std::string& what, std::vector<GlobalUse> named) : Error(what), globals(std::move(named)) {}
  const std::vector<GlobalUse> globals;  // as list_globals
};

/// Calls `read`, which fills `document` from the pickles of a file. An Error becomes a BrokenPickle with what they
/// named by then, and with what a BrokenPickle of theirs holds.
void name_globals_if_broken(const Document& document, const std::function<void()>& read);

/// Adds to a document the globals of another pickle of the same file, but those that are plain data.
void carry_globals(const Document& from, Document& to);

/// Throws Error naming the file, the byte and the global where a document holds a harmful one.
void refuse_harmful(const Document& document);

}  // namespace bevgrad
