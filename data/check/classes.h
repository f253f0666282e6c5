// Which classes records name and hold, against those that a config has.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "data/check/findings.h"
#include "data/label_schema.h"
#include "data/record.pb.h"
#include "data/sample.h"

namespace bevgrad {

enum class ClassKind { Lane, Road, Instance, Dynamic };
inline constexpr std::array kClassKinds = {ClassKind::Lane, ClassKind::Road, ClassKind::Instance, ClassKind::Dynamic};
/// "lane", "road", "instance", "dynamic"
const char* name(ClassKind kind);
const std::vector<std::string>& classes_of(const LabelSchema& schema, ClassKind kind);
std::vector<std::string>& classes_of(LabelSchema& schema, ClassKind kind);
const google::protobuf::RepeatedPtrField<std::string>& classes_of(const records::Labels& labels, ClassKind kind);

struct ClassCount {
  int64_t named = 0;   ///< records that name the class
  int64_t frames = 0;  ///< records in which it occurs: a marked cell, a shape, an instance, a box
  int64_t items = 0;   ///< shapes, instances or boxes
};

class ClassTally {
 public:
  explicit ClassTally(LabelSchema schema) : schema_(std::move(schema)) {}

  /// `labels` is what `stored` was read as.
  void look_at(const records::Labels& stored, const Labels& labels);

  const std::map<std::string, ClassCount>& of(ClassKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  const LabelSchema& schema() const { return schema_; }
  int64_t records() const { return records_; }
  /// Whether some record names a class of the config's, and whether one of them occurs somewhere.
  bool is_labelled(ClassKind kind) const;
  bool occurs(ClassKind kind) const;

  /// Names of the records that the config lacks, and the other way round.
  void find_mismatches(ClassKind kind, Findings& findings) const;
  /// "lane classes solidline, curb": all names of the records of a kind; empty where there are none.
  std::string names_text(ClassKind kind) const;

 private:
  LabelSchema schema_;
  std::array<std::map<std::string, ClassCount>, 4> counts_;
  int64_t records_ = 0;
};

}  // namespace bevgrad
