#include "command_line.h"

int main(int argc, char** argv) {
  return bevgrad::run_command_line(argc, argv, bevgrad::standard_parts());
}
