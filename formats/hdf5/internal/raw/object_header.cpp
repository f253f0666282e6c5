#include "hdf5/internal/raw/object_header.h"

#include <deque>
#include <unordered_set>

#include "base/error.h"

namespace bevgrad::hdf5 {

namespace {

constexpr uint64_t kMaximumHeadBytes = 64 << 20;
constexpr uint8_t kShared = 0x02;

class HeaderReader {
 public:
  /// Without `resolve`, messages that are shared are left out, so that nothing recurses.
  HeaderReader(const File& file, uint64_t address, bool resolve) : file_(file), resolve_(resolve) {
    out.address = address;
  }

  void run() {
    Block start = file_.block_up_to(out.address, 16, "object header");
    out.where = start.where();
    if (start.size() >= 4 && start.take(4) == "OHDR") {
      read_version_2();
    } else {
      read_version_1();
    }
  }

  ObjectHeader out;

 private:
  struct Piece {
    uint64_t address;
    uint64_t bytes;
  };

  void read_version_1() {
    Block start = file_.block(out.address, 16, "object header");
    start.version(1);
    start.skip(1);
    // The number of messages and of references, which follow from what is there.
    start.skip(6);
    pieces_.push_back({out.address + 16, start.u32()});
    while (!pieces_.empty()) {
      Block block = next_piece();
      while (block.remaining() >= 8) {
        const auto type = static_cast<MessageType>(block.u16());
        const uint16_t bytes = block.u16();
        const uint8_t flags = block.u8();
        block.skip(3);
        add(type, flags, 0, block.part(bytes));
        block.align(8);
      }
    }
  }

  void read_version_2() {
    Block start = file_.block_up_to(out.address, 4 + 2 + 16 + 4 + 8, "object header");
    start.skip(4);
    start.version(2);
    const uint8_t flags = start.u8();
    if ((flags & 0x20) != 0) start.skip(16);
    if ((flags & 0x10) != 0) start.skip(4);
    const uint64_t bytes = start.number(size_t{1} << (flags & 3));
    const uint64_t begin = start.position();
    check(bytes <= kMaximumHeadBytes, "{}: damaged: {} bytes", out.where, bytes);
    const bool ordered = (flags & 0x04) != 0;
    out.attribute_order = flags & 0x0c;
    Block block = file_.block(out.address, begin + bytes + 4, "object header");
    block.verify_checksum();
    block.skip(begin);
    read_messages(block, ordered);
    while (!pieces_.empty()) {
      Block piece = next_piece();
      piece.verify_checksum();
      piece.signature("OCHK");
      read_messages(piece, ordered);
    }
  }

  void read_messages(Block& block, bool ordered) {
    const uint64_t head = ordered ? 6 : 4;
    while (block.remaining() >= head) {
      const auto type = static_cast<MessageType>(block.u8());
      const uint16_t bytes = block.u16();
      const uint8_t flags = block.u8();
      const uint16_t order = ordered ? block.u16() : uint16_t{0};
      add(type, flags, order, block.part(bytes));
    }
  }

  Block next_piece() {
    const Piece piece = pieces_.front();
    pieces_.pop_front();
    check(seen_.insert(piece.address).second, "{}: damaged: it continues in a circle", out.where);
    check(piece.bytes <= kMaximumHeadBytes - total_, "{}: damaged: longer than {} MiB", out.where,
          kMaximumHeadBytes >> 20);
    total_ += piece.bytes;
    return file_.block(piece.address, piece.bytes, "object header");
  }

  void add(MessageType type, uint8_t flags, uint16_t order, Block body) {
    if (type == MessageType::Continuation) {
      const uint64_t address = body.offset();
      pieces_.push_back({address, body.length()});
    } else if ((flags & kShared) == 0) {
      out.messages.push_back({type, std::move(body), order});
    } else if (resolve_) {
      out.messages.push_back({type, shared_message(file_, body, type), order});
    }
  }

  const File& file_;
  const bool resolve_;
  std::deque<Piece> pieces_;
  std::unordered_set<uint64_t> seen_;
  uint64_t total_ = 0;
};

}  // namespace

const Message* ObjectHeader::find(MessageType type) const {
  for (const Message& message : messages) {
    if (message.type == type) return &message;
  }
  return nullptr;
}

bool ObjectHeader::is_group() const {
  return find(MessageType::SymbolTable) != nullptr || find(MessageType::LinkInfo) != nullptr ||
         find(MessageType::GroupInfo) != nullptr;
}

ObjectHeader read_object_header(const File& file, uint64_t address) {
  HeaderReader reader(file, address, true);
  reader.run();
  return std::move(reader.out);
}

Block shared_message(const File& file, Block& reference, MessageType type) {
  const uint8_t version = reference.u8();
  const uint8_t place = reference.u8();
  check(version >= 1 && version <= 3, "{}: version {} of a shared message is not known", reference.where(), version);
  check(version < 3 || place == 2, "{}: messages in the file's shared heap are not supported", reference.where());
  if (version == 1) reference.skip(6);
  HeaderReader reader(file, reference.offset(), false);
  reader.run();
  const Message* found = reader.out.find(type);
  check(found != nullptr, "{}: damaged: what is shared with it is not there", reference.where());
  return found->body;
}

}  // namespace bevgrad::hdf5
