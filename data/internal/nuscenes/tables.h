// nuScenes' own tables (v1.0-*/*.json), read row by row; what is kept of the full set is some hundred bytes a picture,
// sweep and box that are asked for.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "internal/nuscenes/info.h"
#include "internal/nuscenes/json_rows.h"

namespace bevgrad {

struct TableOptions {
  std::string root;     ///< holds v1.0-*/, samples/, maps/
  std::string version;  ///< the folder of the tables
  std::vector<std::string> cameras;
  /// Seconds between the sweeps that are taken between key frames; 0: key frames alone.
  double sweep_interval = 0;
};

struct TableScene {
  std::string name, location;
  std::string drivable;        ///< the raster's file, below the root; empty where the tables name none
  std::vector<size_t> sweeps;  ///< of the LiDAR, in the order of time
};

class NuscenesTables {
 public:
  /// Throws in one line that names table, row and field.
  explicit NuscenesTables(const TableOptions& options);

  /// Those that have key frames, by name.
  const std::vector<TableScene>& scenes() const { return scenes_; }
  /// The frame of a sweep. Cameras without a picture within 60 ms are not in it.
  InfoFrame frame(const TableScene& scene, size_t sweep) const;

 private:
  struct Calibration {
    int channel = -1;  ///< of channels_; -1: not asked for
    Pose mount;
    Camera camera;
  };
  /// A picture or a LiDAR sweep.
  struct Shot {
    Token token = {}, sample = {}, calibration = {}, ego_pose = {};
    int64_t microseconds = 0;
    std::string file = {}, name = {};  ///< name: the token's text, of LiDAR sweeps
    int scene = -1, width = 0, height = 0;
    bool is_key = false;
  };
  struct Annotation {
    Token token = {}, before = {}, after = {}, category = {};
    int64_t microseconds = 0;
    Vec3 at = {};
    std::array<double, 3> size = {};  ///< width, length, height
    std::array<double, 4> rotation = {};
    int num_lidar_points = -1;
    Token attribute = {};  ///< of attributes_; empty: nobody says
    int64_t track = -1;    ///< the instance's number
  };

  std::string table(const char* name) const;
  void read_sensors();
  void read_scenes();
  void read_samples();
  void read_shots();
  void choose_sweeps();
  void read_poses();
  void read_annotations();
  const Pose& pose_of(const Shot& shot) const;
  const Shot* picture_of(const Shot& sweep, size_t channel) const;
  InfoBox box_of(const Annotation& annotation, const Pose& global2ego) const;

  TableOptions options_;
  std::vector<std::string> channels_;  ///< the LiDAR, then the cameras
  std::unordered_map<Token, Calibration, TokenHash> calibrations_;
  std::vector<TableScene> scenes_;
  std::unordered_map<Token, int, TokenHash> scene_of_;  ///< by the scene's token
  struct SampleEntry {
    int scene = -1;
    int64_t microseconds = 0;
    std::string name;
  };
  std::unordered_map<Token, SampleEntry, TokenHash> samples_;
  std::vector<Shot> sweeps_;
  /// By scene and channel, in the order of time.
  std::vector<std::vector<std::vector<Shot>>> pictures_;
  std::unordered_map<Token, Pose, TokenHash> poses_;
  std::vector<Annotation> annotations_;                                        ///< by token
  std::unordered_map<Token, std::vector<size_t>, TokenHash> boxes_;            ///< of each sample
  std::unordered_map<Token, std::string, TokenHash> categories_, attributes_;  ///< their names
  bool is_annotated_ = false;
};

/// The one folder of tables below `root`, or the one that is called `wanted`. Throws UsageError where there is none or
/// where there are several.
std::string tables_version(const std::string& root, const std::string& wanted);

/// The list ("train" or "val") that nuScenes' split of the trainval and mini sets puts a scene into; empty for scenes
/// of the test set and of other versions.
std::string nuscenes_list_of(const std::string& version, const std::string& scene);

}  // namespace bevgrad
