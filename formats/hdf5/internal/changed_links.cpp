#include "hdf5/internal/changed_links.h"

#include <map>

#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/tensor_file.h"
#include "hdf5/internal/raw/appended.h"

namespace bevgrad {

namespace {

/// The changes of one group and of those below it.
struct ChangedGroup {
  std::map<std::string, std::optional<std::string>> members;
  std::map<std::string, ChangedGroup> groups;
};

class LinkChanger {
 public:
  explicit LinkChanger(const std::shared_ptr<const ByteSource>& source)
      : file_(source), appended_(file_.sizes(), file_.size()) {}

  FilePatch run(const ChangedGroup& root) {
    const uint64_t address = write(root, file_.root(), "");
    FilePatch patch = superblock(address);
    patch.appended = appended_.bytes();
    return patch;
  }

 private:
  uint64_t write(const ChangedGroup& changed, uint64_t address, const std::string& path) {
    const hdf5::ObjectHeader old = hdf5::read_object_header(file_, address);
    check(old.is_group(), "{}: /{}: no group", file_.source().name(), printable(path));
    std::vector<hdf5::Link> links;
    size_t found = 0;
    for (hdf5::Link& link : hdf5::read_links(file_, old)) {
      const std::string name = unescape_link(link.name);
      if (const auto below = changed.groups.find(name); below != changed.groups.end()) {
        link.address = write(below->second, link.address, path.empty() ? link.name : path + "/" + link.name);
        ++found;
      }
      if (const auto member = changed.members.find(name); member != changed.members.end()) {
        ++found;
        if (!member->second) continue;
        link.name = escape_link(*member->second);
      }
      links.push_back(std::move(link));
    }
    check(found == changed.members.size() + changed.groups.size(),
          "{}: /{}: what is to change is no member of a group there", file_.source().name(), printable(path));
    return hdf5::write_group(appended_, old, links);
  }

  /// The superblock with another root and the new end.
  FilePatch superblock(uint64_t root) const {
    const uint64_t offset = file_.sizes().offset;
    hdf5::Block block = file_.block_up_to(0, 128, "superblock");
    block.skip(8);
    const uint8_t version = block.u8();
    hdf5::StructureBytes bytes(file_.sizes());
    uint64_t at = 0;
    if (version < 2) {
      at = 24 + (version == 1 ? 4 : 0) + 2 * offset;
      block.skip(at - 9);
      block.skip(offset);
      check(block.offset() == hdf5::kUndefined, "{}: a file with a driver of its own is not changed in place",
            file_.source().name());
      // The root's entry: no name, its header, nothing known of it beforehand.
      bytes.offset(appended_.end()).offset(hdf5::kUndefined).offset(0).offset(root).number(0, 24);
    } else {
      block = file_.block(0, 12 + 4 * offset, "superblock");
      bytes.text(block.take(12 + offset));
      check(block.offset() == hdf5::kUndefined, "{}: a file that keeps lists of its free space is not changed in place",
            file_.source().name());
      bytes.offset(hdf5::kUndefined).offset(appended_.end()).offset(root).checksum();
    }
    return {.appended = {}, .at = at, .bytes = bytes.bytes()};
  }

  const hdf5::File file_;
  hdf5::Appended appended_;
};

}  // namespace

FilePatch change_links(const std::shared_ptr<const ByteSource>& source, const std::vector<LinkChange>& changes) {
  ChangedGroup root;
  for (const LinkChange& change : changes) {
    ChangedGroup* group = &root;
    for (const std::string& name : change.group) group = &group->groups[name];
    group->members[change.name] = change.to;
  }
  return LinkChanger(source).run(root);
}

}  // namespace bevgrad
