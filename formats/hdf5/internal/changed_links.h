// Members of groups called otherwise or left out, in a file that stays where it is. Groups that change are written anew
// behind the file's end, then the superblock is pointed at the new root: nothing of the old file is overwritten but the
// superblock, whose place is one sector, so that at any moment the file is the old or the new one. Values stay where
// they are, also those that no name leads to any more.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/bytes.h"
#include "internal/file_patch.h"

namespace bevgrad {

struct LinkChange {
  /// Names on the way to the group, and of its member, without escapes.
  std::vector<std::string> group;
  std::string name;
  /// Nothing drops the member.
  std::optional<std::string> to;
};

/// What changes the file so. Throws Error where a member is not there, and for files that cannot be changed like that.
FilePatch change_links(const std::shared_ptr<const ByteSource>& source, const std::vector<LinkChange>& changes);

}  // namespace bevgrad
