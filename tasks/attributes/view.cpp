#include "tasks/attributes/view.h"

#include "drawing/bev_view.h"
#include "drawing/palette.h"

namespace bevgrad {

std::string attribute_text(const std::vector<int>& attributes, const std::vector<AttributeKind>& kinds) {
  std::string text;
  for (size_t k = 0; k < kinds.size(); ++k) {
    const int value = value_of(attributes, k);
    if (value <= 0) continue;
    // "turn_light: left" is short and clear as "turn left", "motion: parked" as "parked".
    const std::string word = kinds[k].name.substr(0, kinds[k].name.find('_'));
    const bool speaks_alone = kinds[k].values.size() > 2 && word == kinds[k].name;
    text += (text.empty() ? "" : ", ") + (speaks_alone ? "" : word + " ") + kinds[k].values[static_cast<size_t>(value)];
  }
  return text;
}

GroundPanel attribute_panel(const std::string& title, std::vector<Box3d> boxes, std::vector<DescribedLine> lines,
                            const std::vector<AttributeKind>& kinds) {
  return {title, [boxes = std::move(boxes), lines = std::move(lines), kinds](BevView& view) {
            constexpr double kSize = 6.5;
            for (const DescribedLine& line : lines)
              view.polyline(line.points, lane_color(static_cast<size_t>(line.class_id)), 1.2);
            for (const Box3d& box : boxes)
              view.rectangle({box.x, box.y, box.l, box.w, box.yaw, box.class_id},
                             box_color(static_cast<size_t>(box.class_id)), 1, true);
            for (const DescribedLine& line : lines)
              view.text(line.points[line.points.size() / 2], line.text, kSize, kPaper);
            for (const Box3d& box : boxes)
              view.text({box.x, box.y}, attribute_text(box.attributes, kinds), kSize, kPaper);
            view.ego();
          }};
}

}  // namespace bevgrad
