// bevgrad info: what this program was built with and what it finds on this machine.
#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "base/version.h"
#include "distributed/collective_libraries.h"
#include "subcommands.h"
#include "tensor/build_info.h"

namespace bevgrad {
namespace {

void print_fact(const std::string& what, const std::string& which) {
  fmt::print("{:<14} {}\n", what, which);
}

void info() {
  print_fact("bevgrad", kVersion);
  for (const auto& [what, which] : build_info()) print_fact(what, which);
  for (const auto& [what, which] : collective_libraries()) print_fact(what, which);
}

}  // namespace

void add_info(CLI::App& app) {
  CLI::App* command = app.add_subcommand("info", "devices, libraries and their versions");
  command->callback(info);
}

}  // namespace bevgrad
