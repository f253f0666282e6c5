// The dynamic task's figures at a glance.
#pragma once
#include "evaluation/table.h"

namespace bevgrad {

/// Of the table dynamic_ap: a row a val set and class, its AP at every distance, how many boxes were predicted and how
/// many there are. Classes without either are left out.
Table box_overview(const Table& dynamic_ap);

}  // namespace bevgrad
