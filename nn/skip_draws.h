// Networks whose values come from a file need none of their own.
#pragma once

namespace bevgrad::init {

/// While it lives, parameters that are made on this thread are not drawn: init::uniform and init::normal, and all that
/// draws through them, leave the zeros with which layers are made. Drawing takes most of a large network's time to
/// load.
class SkipDraws {
 public:
  SkipDraws();
  ~SkipDraws();
  SkipDraws(const SkipDraws&) = delete;
  SkipDraws& operator=(const SkipDraws&) = delete;

 private:
  bool before_;
};

}  // namespace bevgrad::init
