// Infos as mmdetection3d's nuscenes_converter.py wrote them up to 1.0.
#include <optional>

#include "base/error.h"
#include "internal/nuscenes/info_parts.h"
#include "internal/poses.h"

namespace bevgrad {
namespace {

/// Width in characters of a NumPy dtype "U<n>" of native order; nothing for other types.
std::optional<size_t> text_width(const Document& document, NodeId dtype) {
  const Node& object = document.node(dtype);
  if (object.kind != ValueKind::Object || document.type_name(dtype) != "numpy.dtype") return std::nullopt;
  const Node& given = document.node(object.items.at(1));
  if (given.items.empty() || document.node(given.items[0]).kind != ValueKind::String) return std::nullopt;
  std::string code = document.node(given.items[0]).text;
  if (!code.empty() && (code[0] == '<' || code[0] == '=')) code.erase(0, 1);
  if (code.size() < 2 || code.size() > 5 || code[0] != 'U') return std::nullopt;
  size_t width = 0;
  for (const char c : code.substr(1)) {
    if (c < '0' || c > '9') return std::nullopt;
    width = width * 10 + static_cast<size_t>(c - '0');
  }
  return width > 0 ? std::optional(width) : std::nullopt;
}

/// Strings of UCS-4 characters, padded with zeros. Names are ASCII; other characters become "?".
std::vector<std::string> split_text(const std::string& bytes, size_t width) {
  std::vector<std::string> texts(bytes.size() / (4 * width));
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t c = 0; c < width; ++c) {
      const auto* unit = reinterpret_cast<const unsigned char*>(bytes.data()) + (i * width + c) * 4;
      if (!unit[0] && !unit[1] && !unit[2] && !unit[3]) break;
      texts[i] += unit[0] < 128 && !unit[1] && !unit[2] && !unit[3] ? static_cast<char>(unit[0]) : '?';
    }
  }
  return texts;
}

/// What NumPy's texts of a dtype and their bytes say; nothing where they are no texts.
std::optional<std::vector<std::string>> decode_texts(const Document& document, NodeId dtype, NodeId bytes) {
  const auto width = text_width(document, dtype);
  const Node& data = document.node(bytes);
  if (!width || (data.kind != ValueKind::Bytes && data.kind != ValueKind::String)) return std::nullopt;
  if (data.text.size() % (4 * *width) != 0) return std::nullopt;
  return split_text(data.text, *width);
}

/// A string, or a NumPy scalar of one: the call of a function with (dtype, bytes).
std::string text_of(const Value& value) {
  const Node& node = value.node();
  if (node.kind == ValueKind::Object && value.type_name().ends_with("multiarray.scalar")) {
    const std::vector<NodeId>& given = value.document().node(node.items.at(1)).items;
    if (given.size() == 2)
      if (const auto texts = decode_texts(value.document(), given[0], given[1]); texts && texts->size() == 1)
        return texts->front();
  }
  return value.as_string();
}

/// A list of strings, or a NumPy array of them, which the pickle reader leaves as the call that would make it: the
/// state is (version, shape, dtype, Fortran order, bytes or a list of objects), or as of protocol 5 the arguments are
/// (bytes, dtype, shape, order).
std::vector<std::string> texts_of(const Value& value) {
  const Node& node = value.node();
  const Document& document = value.document();
  Value list = value;
  if (value.is_tensor() && value.as_doubles().empty()) return {};
  if (node.kind == ValueKind::Object && node.object && node.object->states.size() == 1) {
    const Node& state = document.node(node.object->states[0]);
    if (state.kind == ValueKind::Tuple && state.items.size() >= 5) {
      if (auto texts = decode_texts(document, state.items[2], state.items[4])) return *std::move(texts);
      list = Value(value.document_pointer(), state.items[4], "gt_names");
    }
  } else if (node.kind == ValueKind::Object && value.type_name().ends_with("numeric._frombuffer")) {
    const std::vector<NodeId>& given = document.node(node.items.at(1)).items;
    if (given.size() >= 4)
      if (auto texts = decode_texts(document, given[1], given[0])) return *std::move(texts);
  }
  check(list.is_sequence(), "{}: expected a list or an array of strings", value.where());
  std::vector<std::string> texts;
  for (size_t i = 0; i < list.size(); ++i) texts.push_back(text_of(list.at(i)));
  return texts;
}

std::vector<double> numbers_of(const Value& info, const char* field, size_t count) {
  const auto value = info.find(field);
  return value && !value->is_none() ? value->as_doubles(count) : std::vector<double>();
}

void read_boxes_v1(const Value& info, InfoFrame* frame) {
  const auto boxes = info.find("gt_boxes");
  if (!boxes || boxes->is_none()) return;
  frame->has_boxes = true;
  const std::vector<std::string> names = texts_of(info.at("gt_names"));
  const std::vector<double> numbers = boxes->as_doubles();
  const size_t count = names.size(), stride = count == 0 ? 0 : numbers.size() / count;
  check(numbers.size() == stride * count && (count == 0 || stride == 7 || stride == 9),
        "{}: {} numbers for {} names, expected 7 or 9 each", boxes->where(), numbers.size(), count);
  const std::vector<double> velocities = numbers_of(info, "gt_velocity", 2 * count);
  const std::vector<double> points = numbers_of(info, "num_lidar_pts", count);
  for (size_t i = 0; i < count; ++i) {
    const std::span<const double> row = std::span(numbers).subspan(i * stride, stride);
    std::span<const double> velocity = stride == 9 ? row.subspan(7) : std::span<const double>();
    if (!velocities.empty()) velocity = std::span(velocities).subspan(i * 2, 2);
    InfoBox box{names[i], info_box(frame->lidar2ego, row, velocity, fmt::format("{}[{}]", boxes->where(), i)), {}};
    if (!points.empty() && points[i] >= 0 && points[i] < 1e9) box.box.num_lidar_points = static_cast<int>(points[i]);
    frame->boxes.push_back(std::move(box));
  }
}

/// mmdetection3d's names, BEVFusion's for the intrinsics, or StreamMapNet's, whose extrinsics take the ego frame to the
/// camera's.
InfoCamera read_camera(const InfoFrame& frame, const Value& name, const Value& image) {
  const bool is_stream = image.contains("img_fpath");
  const char* intrinsics = is_stream                             ? "intrinsics"
                           : image.contains("camera_intrinsics") ? "camera_intrinsics"
                                                                 : "cam_intrinsic";
  InfoCamera camera{name.as_string(), info_file(image.at(is_stream ? "img_fpath" : "data_path")),
                    info_intrinsics(image.at(intrinsics))};
  camera.camera.sensor2ego =
      is_stream ? info_matrix(image.at("extrinsics")).inverse()
                : frame.lidar2ego * info_pose(image.at("sensor2lidar_rotation"), image.at("sensor2lidar_translation"));
  return camera;
}

}  // namespace

InfoFrame read_info_v1(const Value& info, size_t index) {
  InfoFrame frame;
  frame.where = info.where();
  check(info.is_mapping(), "{}: expected a dict", frame.where);
  frame.key = info_key(info, index);
  read_timestamp(info, 1e-6, &frame);
  frame.points = info_file(info.at("lidar_path"));
  frame.lidar2ego = info_pose(info.at("lidar2ego_rotation"), info.at("lidar2ego_translation"));
  // StreamMapNet has other names.
  const bool is_short = info.contains("e2g_rotation");
  const Value rotation = info.at(is_short ? "e2g_rotation" : "ego2global_rotation");
  frame.ego_pose = info_pose(rotation, info.at(is_short ? "e2g_translation" : "ego2global_translation"));
  check_upright(frame.ego_pose, rotation.where());
  if (const auto features = info.find("num_features")) frame.point_features = features->as_int();
  find_drive(info, &frame);
  for (const auto& [name, image] : info.at("cams").entries()) frame.cameras.push_back(read_camera(frame, name, image));
  read_boxes_v1(info, &frame);
  frame.map = info_map(info, frame.lidar2ego);
  return frame;
}

}  // namespace bevgrad
