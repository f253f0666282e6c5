// What subcommands print.
#pragma once
#include <string>

namespace bevgrad {

/// Writes a text to the standard output. That it arrived is seen at the program's end.
void print(const std::string& text);
/// Throws Error where the standard output has not taken all that was written to it (a full disk).
void finish_output();

}  // namespace bevgrad
