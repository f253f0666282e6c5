// Records in LMDB: a reader that any number of threads share, and a writer whose result appears whole or not at all.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bevgrad {

/// An LMDB opened for reading. It never writes a lock file, so a read-only medium will do.
class LmdbStore {
 public:
  /// `path`: the folder that holds data.mdb, or the file itself. Throws where it is missing (UsageError), is not LMDB,
  /// or is shorter than its own header says.
  explicit LmdbStore(const std::string& path);
  ~LmdbStore();
  LmdbStore(LmdbStore&&) noexcept;
  LmdbStore& operator=(LmdbStore&&) noexcept;

  const std::string& path() const;
  int64_t size() const;
  bool contains(const std::string& key) const;
  /// Calls `use` with the record's bytes where they lie in the memory map, which are valid until it returns; gives
  /// false where there is no such key. Thread-safe.
  bool read(const std::string& key, const std::function<void(std::span<const uint8_t>)>& use) const;
  /// In LMDB's order (bytewise).
  std::vector<std::string> keys() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes a new LMDB beside `path` and renames it in `finish`; destroyed before that it leaves nothing behind. Not
/// thread-safe. Every error (a full disk among them) names the path.
class LmdbWriter {
 public:
  /// Throws where `path` exists.
  explicit LmdbWriter(const std::string& path);
  ~LmdbWriter();
  LmdbWriter(const LmdbWriter&) = delete;
  LmdbWriter& operator=(const LmdbWriter&) = delete;

  /// Throws for an empty key, one over 511 bytes, or one that is already there.
  void put(const std::string& key, std::span<const uint8_t> value);
  void put(const std::string& key, const std::string& value);
  /// Commits, syncs and renames.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
