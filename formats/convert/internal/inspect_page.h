// The style and the script of the page that `inspect --html` writes (formats/convert/page).
#pragma once

namespace bevgrad {

extern const char* const kInspectStyle;
extern const char* const kInspectScript;

}  // namespace bevgrad
