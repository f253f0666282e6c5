#include "attention_fusion.h"
#include "covered_cells/covered_cells.h"
#include "lion.h"
#include "poly_schedule.h"

int main(int argc, char** argv) {
  bevgrad::Parts parts = bevgrad::standard_parts();
  parts.tasks.push_back(lab::covered_cells());
  parts.temporal_fusions.push_back(lab::attention_fusion());
  parts.optimizers.push_back(lab::lion());
  parts.lr_schedules.push_back(lab::poly_schedule());
  return bevgrad::run_command_line(argc, argv, parts);
}
