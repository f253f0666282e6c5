// The page that RunServer serves.
#pragma once

namespace bevgrad {

/// One file without anything from elsewhere. Texts of runs are put into it as text, never as HTML.
extern const char* const kRunPage;

}  // namespace bevgrad
