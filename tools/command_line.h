// The whole program as one call: what `main` of `bevgrad` is, and of a program that adds parts of its own.
#pragma once
#include "train/parts.h"

namespace bevgrad {

/// Runs the subcommand that the arguments name, with these tables of parts; messages begin with the program's name.
/// Returns the exit status: 0 success, 1 a failure at run time, 2 a wrong flag, file or config field, 130 after Ctrl-C,
/// 143 after SIGTERM.
///
///   int main(int argc, char** argv) {
///     bevgrad::Parts parts = bevgrad::standard_parts();
///     parts.optimizers.push_back({"Lion", make_lion});
///     return bevgrad::run_command_line(argc, argv, parts);
///   }
int run_command_line(int argc, char** argv, const Parts& parts);

}  // namespace bevgrad
