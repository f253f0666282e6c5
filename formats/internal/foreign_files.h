// Files that people take for checkpoints: each is named for what it is, with what to do about it.
#pragma once
#include "base/error.h"
#include "formats/bytes.h"

namespace bevgrad {

/// A file that is none, or a part of one: nothing to convert, where many files are looked through.
class NotACheckpoint : public Error {
 public:
  using Error::Error;
};

/// Throws NotACheckpoint, naming the file, for what is known by its first bytes: a Git LFS pointer, a web page, a
/// compressed file, a picture, a program, a download that was cut short, ...
void refuse_foreign_file(const ByteSource& source);

}  // namespace bevgrad
