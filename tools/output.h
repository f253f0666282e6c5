// What the subcommands about checkpoints share: their arguments and what they print.
#pragma once
#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

namespace bevgrad {

/// Characters that are printed of a name or message.
inline constexpr size_t kPrintedWidth = 2000;

/// A file, a folder, or "-".
CLI::Validator existing_path_or_stdin();

/// Writes a text to the standard output. That it arrived is seen at the program's end.
void print(const std::string& text);
/// Throws Error where the standard output has not taken all that was written to it (a full disk).
void finish_output();

}  // namespace bevgrad
