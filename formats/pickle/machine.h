// The pickle machine: runs the opcodes of protocols 0 to 5 (pickletools.py of CPython defines them) and builds an inert
// tree. Globals become names, calls become Object nodes; nothing is imported, called or looked up.
#pragma once
#include <cstdint>

#include "formats/bytes.h"
#include "formats/value.h"

namespace bevgrad {

struct PickleLimits {
  uint64_t bytes = uint64_t{1} << 30;   // of the pickle itself
  uint64_t memory = uint64_t{2} << 30;  // of the tree, roughly
  uint64_t nodes = 50'000'000;
  uint64_t string_bytes = uint64_t{1} << 30;
  uint64_t line_bytes = 1 << 20;  // operands of the text opcodes
};

/// Runs one pickle from the cursor up to and including its STOP and returns the id of its value in `document`. Throws
/// BrokenPickle with the file, the byte and the opcode where the stream is damaged, confused or past a limit.
NodeId run_pickle(ByteCursor& cursor, Document& document, const PickleLimits& limits = {});

}  // namespace bevgrad
