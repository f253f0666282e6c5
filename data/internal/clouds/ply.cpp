// Stanford's PLY: the element "vertex", which must come before elements that have lists.
#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "base/text.h"
#include "internal/clouds/rows.h"

namespace bevgrad {

namespace {

struct Type {
  const char* name;
  char kind;
  size_t bytes;
};
constexpr Type kTypes[] = {{"char", 'i', 1},  {"int8", 'i', 1},    {"uchar", 'u', 1},  {"uint8", 'u', 1},
                           {"short", 'i', 2}, {"int16", 'i', 2},   {"ushort", 'u', 2}, {"uint16", 'u', 2},
                           {"int", 'i', 4},   {"int32", 'i', 4},   {"uint", 'u', 4},   {"uint32", 'u', 4},
                           {"float", 'f', 4}, {"float32", 'f', 4}, {"double", 'f', 8}, {"float64", 'f', 8}};

struct Element {
  std::string name;
  uint64_t count = 0;
  std::vector<CloudField> fields;
  size_t stride = 0;
  bool has_list = false;
};

struct PlyHeader {
  std::string form;
  std::vector<Element> elements;
};

void add_property(const std::vector<std::string>& words, Element& element, const std::string& path) {
  if (words.size() > 1 && words[1] == "list") {
    element.has_list = true;
    return;
  }
  check(words.size() == 3 && element.fields.size() < 64, "{}: a property of another form", path);
  const auto* type =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Type& t) { return words[1] == t.name; });
  check(type != std::end(kTypes), "{}: the property '{}' is of type '{}', which does not exist", path,
        printable(words[2], 40), printable(words[1], 40));
  element.fields.push_back({words[2], type->kind, type->bytes, element.stride, 1});
  element.stride += type->bytes;
}

PlyHeader read_ply_header(std::string_view& bytes, const std::string& path) {
  PlyHeader header;
  check(next_cloud_line(bytes) == "ply", "{}: not a PLY file", path);
  for (int lines = 0;; ++lines) {
    check(!bytes.empty() && lines < 1000, "{}: its header has no end", path);
    const std::vector<std::string> words = cloud_words(next_cloud_line(bytes).substr(0, 4096));
    if (words.empty() || words[0] == "comment" || words[0] == "obj_info") continue;
    if (words[0] == "end_header") break;
    if (words[0] == "format" && words.size() >= 2) {
      header.form = words[1];
    } else if (words[0] == "element" && words.size() == 3) {
      header.elements.push_back({words[1], cloud_count(words[2], UINT32_MAX, path, "element"), {}, 0, false});
    } else {
      check(words[0] == "property" && !header.elements.empty(), "{}: an unknown line '{}' in its header", path,
            printable(words[0], 40));
      add_property(words, header.elements.back(), path);
    }
  }
  return header;
}

}  // namespace

CloudFile read_ply(std::string_view bytes, const std::string& path) {
  const PlyHeader header = read_ply_header(bytes, path);
  const bool is_text = header.form == "ascii", is_big = header.form == "binary_big_endian";
  check(is_text || is_big || header.form == "binary_little_endian",
        "{}: the format is '{}', expected ascii, binary_little_endian or binary_big_endian", path,
        printable(header.form, 40));
  for (const Element& element : header.elements) {
    check(!element.has_list, "{}: the element '{}' has a list before or in 'vertex'", path,
          printable(element.name, 40));
    if (element.name == "vertex") {
      if (!is_text) return read_cloud_rows(bytes, element.count, element.fields, element.stride, is_big, path);
      std::vector<std::string> names;
      for (const CloudField& field : element.fields) names.push_back(field.name);
      return read_cloud_text(bytes, element.count, names, path);
    }
    if (is_text) {
      for (uint64_t i = 0; i < element.count && !bytes.empty(); ++i) next_cloud_line(bytes);
    } else {
      check(element.stride == 0 || element.count <= bytes.size() / element.stride, "{}: it ends too early", path);
      bytes.remove_prefix(element.count * element.stride);
    }
  }
  fail("{}: has no element 'vertex'", path);
}

}  // namespace bevgrad
