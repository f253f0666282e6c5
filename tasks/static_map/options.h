// What the static task takes from a config: network.static_head and the static fields of loss, eval and drawing.
#pragma once
#include "configs/judge.h"
#include "drawing/sample_picture.h"
#include "evaluation/options.h"
#include "tasks/static_map/instances.h"
#include "tasks/static_map/static_head.h"

namespace bevgrad {

StaticHeadOptions static_head_options(const config::Config& proto);
InstanceDecodeOptions instance_decode_options(const config::Config& proto);

/// Of TaskKind.
void judge_static_map(const configs::Judge& judge, const config::Config& proto);
void add_static_map(EvaluationOptions& options, const config::Config& proto);
void add_static_map(DrawingOptions& options, const config::Config& proto);

}  // namespace bevgrad
