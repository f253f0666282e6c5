// What the dynamic task takes from a config: network.dynamic_head and the dynamic fields of loss and eval.
#pragma once
#include "configs/judge.h"
#include "evaluation/options.h"
#include "tasks/dynamic_boxes/boxes.h"
#include "tasks/dynamic_boxes/dynamic_head.h"

namespace bevgrad {

DynamicHeadOptions dynamic_head_options(const config::Config& proto);
BoxDecodeOptions box_decode_options(const config::Config& proto);

/// Of TaskKind.
void judge_dynamic_boxes(const configs::Judge& judge, const config::Config& proto);
void add_dynamic_boxes(EvaluationOptions& options, const config::Config& proto);

}  // namespace bevgrad
