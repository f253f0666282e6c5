#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "hdf5/internal/raw/btree.h"
#include "hdf5/internal/raw/object.h"

namespace bevgrad::hdf5 {

namespace {

constexpr size_t kMaximumLinks = 4'000'000;

class LinkReader {
 public:
  LinkReader(const File& file, const ObjectHeader& group) : file_(file), group_(group) {}

  std::vector<Link> run() {
    for (const Message& message : group_.messages) {
      Block body = message.body;
      if (message.type == MessageType::SymbolTable) {
        read_symbol_table(body);
      } else if (message.type == MessageType::Link) {
        read_message(body);
      } else if (message.type == MessageType::LinkInfo) {
        read_info(body);
      }
    }
    std::sort(found_.begin(), found_.end(), [&](const Link& a, const Link& b) {
      if (ordered_ && a.order != b.order) return a.order < b.order;
      return a.name < b.name;
    });
    std::unordered_set<std::string_view> names;
    for (const Link& link : found_) {
      check(names.insert(link.name).second, "{}: damaged: two members are called '{}'", group_.where,
            printable(link.name));
    }
    return std::move(found_);
  }

 private:
  void add(Link found) {
    check(found_.size() < kMaximumLinks, "{}: more than {} members", group_.where, kMaximumLinks);
    const std::string& name = found.name;
    check(!name.empty() && name != "." && name.find_first_of(std::string_view("/\0", 2)) == std::string::npos,
          "{}: damaged: a member called '{}'", group_.where, printable(name, 80));
    found_.push_back(std::move(found));
  }

  void read_symbol_table(Block& body) {
    const uint64_t tree = body.offset();
    const LocalHeap names(file_, body.offset());
    ordered_ = false;
    std::unordered_set<uint64_t> seen;
    walk_tree_v1(file_, tree, TreeV1::Group, file_.sizes().length, [&](Block&, uint64_t address) {
      check(seen.insert(address).second, "{}: damaged: members at byte {} are there twice", group_.where, address);
      read_symbols(names, address);
    });
  }

  void read_symbols(const LocalHeap& names, uint64_t address) {
    constexpr uint32_t kSymbolic = 2;
    Block head = file_.block(address, 8, "members of a group");
    head.signature("SNOD");
    head.version(1);
    head.skip(1);
    const uint64_t count = head.u16();
    const uint64_t bytes = 2 * uint64_t{file_.sizes().offset} + 24;
    Block block = file_.block(address, 8 + count * bytes, "members of a group");
    block.skip(8);
    for (uint64_t i = 0; i < count; ++i) {
      Link found;
      found.name = names.text(block.offset());
      found.address = block.offset();
      if (block.u32() == kSymbolic) found.kind = Link::Kind::Symbolic;
      block.skip(20);
      add(std::move(found));
    }
  }

  void read_info(Block& body) {
    body.version(0);
    const uint8_t flags = body.u8();
    if ((flags & 1) != 0) body.skip(8);
    const uint64_t heap_address = body.offset();
    const uint64_t tree = body.offset();
    if (heap_address == kUndefined) return;
    FractalHeap heap(file_, heap_address);
    walk_tree_v2(file_, tree, 5, [&](Block& record) {
      record.skip(4);
      Block message = heap.object(record);
      read_message(message);
    });
  }

  void read_message(Block& body) {
    constexpr uint64_t kExternal = 64;
    body.version(1);
    const uint8_t flags = body.u8();
    const uint64_t type = (flags & 8) != 0 ? body.u8() : 0;
    Link found;
    if ((flags & 4) != 0) {
      found.order = body.u64();
    } else {
      ordered_ = false;
    }
    if ((flags & 16) != 0) body.skip(1);
    const uint64_t length = body.number(size_t{1} << (flags & 3));
    found.name = body.take(length);
    if (type == 0) {
      found.address = body.offset();
    } else {
      found.kind = type == kExternal ? Link::Kind::External : Link::Kind::Symbolic;
    }
    add(std::move(found));
  }

  const File& file_;
  const ObjectHeader& group_;
  std::vector<Link> found_;
  bool ordered_ = true;
};

}  // namespace

std::vector<Link> read_links(const File& file, const ObjectHeader& group) {
  return LinkReader(file, group).run();
}

}  // namespace bevgrad::hdf5
