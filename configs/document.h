// A config with the place that each of its values came from.
#pragma once
#include <map>
#include <string>

#include "configs/config.pb.h"

namespace bevgrad::configs {

/// Where a value was written: a file and its line (from 1), or a flag (line 0).
struct Origin {
  std::string source;
  int line = 0;
};

/// "mini.prototxt:12", or the flag alone.
std::string to_string(const Origin& origin);

struct Document {
  config::Config proto;
  /// By path: "network.lidar.layers[1]". Messages have an entry too. Values that no file wrote have none.
  std::map<std::string, Origin> origins;
  /// Lists that were written as `[]` last, by path.
  std::map<std::string, Origin> emptied;
  /// The file or shipped name that was asked for: for messages.
  std::string source;

  /// Where the value at `path`, or else the closest message around it, was written; else `source`.
  std::string place(const std::string& path) const;
};

/// Parses Protobuf text. A syntax error, an unknown field or a value of the wrong type throws UsageError with one line
/// that names the source, the line, the field and its near names.
Document parse_document(const std::string& text, const std::string& source);

/// Lays `overlay` over `base`: a scalar set in the overlay wins, messages are merged, a list in the overlay replaces
/// the base's list.
void overlay_document(Document& base, const Document& overlay);

/// Applies one "path.to[0].field=value". A repeated scalar takes `[a,b,c]`, an index equal to its size appends, and
/// `[]` empties any list; a message takes `{ field: value }`. Throws UsageError naming the path and the near names.
void set_field(Document& document, const std::string& assignment);

}  // namespace bevgrad::configs
