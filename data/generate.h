// Makes a whole dataset with the scene generator: drives through layouts of their own, in LMDB, with lists.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "data/label_schema.h"
#include "data/record.h"
#include "data/scene/scene.h"

namespace bevgrad {

struct GenerateProgress {
  int64_t sequences = 0, all_sequences = 0;
  int64_t frames = 0;
  double seconds = 0;
};

struct GenerateOptions {
  SceneOptions scene;
  DatasetOptions dataset;  ///< names of groups, cameras and classes, as they will be read
  EncodeOptions encoding;
  int64_t sequences = 12;     ///< drives in all
  int64_t val_sequences = 4;  ///< how many of them are the val sets'
  uint64_t seed = 1;
  std::string config_name;  ///< for the manifest
  int threads = 0;          ///< 0: OMP_NUM_THREADS, or one a core
  /// Called from time to time by the calling thread; false ends the work, and nothing is left behind.
  std::function<bool(const GenerateProgress&)> progress;
};

/// Writes into `folder`, which must not exist or be empty, and which appears only when all is done:
///
///   lmdb/train, lmdb/val      records; keys are s<seed>/<sequence>/<frame>
///   lmdb.txt                  both of them
///   train.txt                 every training frame
///   val.txt                   every val frame, and by kind of place:
///   val_street.txt, val_parking.txt
///   manifest.json             seed, drives with their layouts and splits, how often each class occurs
///
/// The kinds of place are shared out evenly by scene.parking, so that both splits have both where it is neither 0
/// nor 1. The same options give the same records whatever the number of threads. That no layout is in both splits is
/// checked. Returns false where `progress` ended it.
bool generate_dataset(const std::string& folder, const GenerateOptions& options);

}  // namespace bevgrad
