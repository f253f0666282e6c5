// A frame's labels in the neutral folder.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "data/label_schema.h"
#include "data/sample.h"
#include "geometry/pose.h"

namespace bevgrad {

/// Adds labels whose form the schema has checked, in the ego frame at `ego2map`, to `labels`. `schema` names the
/// classes that were looked for, and gets the rasters' grid. Files are named relative to `folder`. Throws, naming
/// `where` and the field, for classes that are not among them and rasters that do not fit.
void read_neutral_labels(const nlohmann::json& json, const Pose& ego2map, const std::string& folder,
                         const std::string& where, LabelSchema& schema, Labels& labels);

}  // namespace bevgrad
