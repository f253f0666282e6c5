// From a judged config to the plain option structs of the rooms that are configured: they know no configs, and configs/
// knows none of them.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "configs/document.h"
#include "data/augmentation/augmentation.h"
#include "data/check/check_dataset.h"
#include "data/dataset.h"
#include "data/label_schema.h"
#include "data/scene/scene.h"
#include "geometry/camera.h"
#include "models/history_feature_manager.h"
#include "models/network_options.h"

namespace bevgrad::configs {

NetworkOptions network_options(const Document& document);
LabelSchema label_schema(const config::Config& proto);
/// `training` applies what counts in training alone (cells never seen are ignored).
DatasetOptions dataset_options(const config::Config& proto, bool training);
HistoryOptions history_options(const config::Config& proto);
/// What training samples are changed by; null where the config changes nothing. Throws UsageError for changes that a
/// feature cache rules out.
std::shared_ptr<const Augmentation> augmentation(const Document& document);
/// What the generator makes of the config's rig, classes and `generator`.
SceneOptions scene_options(const Document& document);
/// A camera of the rig at its sensor's size, as the generator mounts it.
Camera rig_camera(const config::CameraGroup& group, const config::Camera& camera);

/// The training groups that `takes` chooses; paths are under data.root.
std::vector<ListGroup> train_lists(const config::Config& proto,
                                   const std::function<bool(const config::ListGroup&)>& takes);
/// All val sets.
std::vector<ListGroup> val_lists(const config::Config& proto);
/// How the history of a training's or a validation's frames is found.
HistoryRule history_rule(const config::Config& proto, bool training);
/// Path of the file that lists the LMDBs.
std::string lmdb_list(const config::Config& proto);

}  // namespace bevgrad::configs
