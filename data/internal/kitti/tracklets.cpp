// tracklet_labels.xml of KITTI's raw drives: elements without attributes that count, nothing nested but lists of items.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "internal/kitti/files.h"
#include "internal/limited_file.h"

namespace bevgrad {

namespace {

/// Steps through an XML text from tag to tag.
class Tags {
 public:
  Tags(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

  /// Goes to the next tag; false at the end. Declarations and comments are passed over.
  bool next() {
    do {
      const size_t open = rest_.find('<');
      if (open == std::string_view::npos) return false;
      text_ = rest_.substr(0, open);
      rest_.remove_prefix(open + 1);
      const size_t close = rest_.find('>');
      check(close != std::string_view::npos, "{}: a tag without an end", path_);
      name_ = rest_.substr(0, std::min(close, rest_.find_first_of(" \t\r\n")));
      rest_.remove_prefix(close + 1);
    } while (name_.starts_with('?') || name_.starts_with('!'));
    is_end_ = name_.starts_with('/');
    if (is_end_) name_.remove_prefix(1);
    return true;
  }

  std::string_view name() const { return name_; }
  bool is_end() const { return is_end_; }
  /// The text before the tag: at an end, the element's.
  std::string text() const {
    const size_t first = text_.find_first_not_of(" \t\r\n"), last = text_.find_last_not_of(" \t\r\n");
    return first == std::string_view::npos ? "" : std::string(text_.substr(first, last - first + 1));
  }
  double number() const {
    const std::string word = text();
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    check(error == std::errc() && end == word.data() + word.size() && std::abs(value) < 1e6,
          "{}: <{}> is '{}', expected a number", path_, printable(name_, 40), printable(word, 40));
    return value;
  }

 private:
  std::string_view rest_, name_, text_;
  bool is_end_ = false;
  const std::string& path_;
};

constexpr size_t kMostTracklets = 10000, kMostPoses = 100000;

}  // namespace

std::vector<KittiTracklet> read_kitti_tracklets(const std::string& path) {
  const std::string text = read_limited_file(path, uint64_t{64} << 20);
  Tags tags(text, path);
  std::vector<KittiTracklet> tracklets;
  double t[3] = {}, r[3] = {};
  int depth = 0;         // of <item>: 1 a tracklet, 2 one of its poses
  bool in_list = false;  // within <tracklets>
  while (tags.next()) {
    const std::string_view name = tags.name();
    if (name == "tracklets") in_list = !tags.is_end();
    if (!in_list) continue;
    if (name == "item" && !tags.is_end()) {
      check(++depth <= 2, "{}: items within items within items", path);
      if (depth == 1) tracklets.emplace_back();
      check(tracklets.size() <= kMostTracklets, "{}: over {} tracklets", path, kMostTracklets);
      continue;
    }
    if (!tags.is_end() || tracklets.empty()) continue;
    KittiTracklet& now = tracklets.back();
    if (name == "item") {
      if (depth == 2) now.poses.push_back(Pose::from_angles({t[0], t[1], t[2]}, r[2], r[1], r[0]));
      check(--depth >= 0 && now.poses.size() <= kMostPoses, "{}: items that do not fit", path);
    } else if (depth == 1) {
      if (name == "objectType") now.label = tags.text();
      if (name == "h") now.height = tags.number();
      if (name == "w") now.width = tags.number();
      if (name == "l") now.length = tags.number();
      if (name == "first_frame") now.first_frame = static_cast<int>(tags.number());
    } else {
      for (int i = 0; i < 3; ++i) {
        if (name.size() == 2 && name[0] == 't' && name[1] == "xyz"[i]) t[i] = tags.number();
        if (name.size() == 2 && name[0] == 'r' && name[1] == "xyz"[i]) r[i] = tags.number();
      }
    }
  }
  check(depth == 0 && !in_list, "{}: it ends too early", path);
  for (size_t i = 0; i < tracklets.size(); ++i) {
    const KittiTracklet& one = tracklets[i];
    check(one.length > 0 && one.width > 0 && one.height > 0 && !one.label.empty() && one.first_frame >= 0,
          "{}: tracklet {} has no type, no size or no first frame", path, i);
  }
  return tracklets;
}

}  // namespace bevgrad
