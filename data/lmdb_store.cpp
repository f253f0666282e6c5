#include "data/lmdb_store.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/error.h"
#include "internal/mapped_pages.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

struct EnvDeleter {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using Env = std::unique_ptr<MDB_env, EnvDeleter>;

struct TxnDeleter {
  void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
};
using Txn = std::unique_ptr<MDB_txn, TxnDeleter>;

struct CursorDeleter {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
using Cursor = std::unique_ptr<MDB_cursor, CursorDeleter>;

void check_lmdb(int status, const std::string& path, const char* doing) {
  check(status == MDB_SUCCESS, "{}: cannot {}: {}", path, doing, mdb_strerror(status));
}

/// The same for writing. LMDB calls a write that a full disk or a limit cut short an input/output error.
void check_write(int status, const std::string& path) {
  if (status == MDB_SUCCESS) return;
  std::error_code ignored;
  const fs::space_info space = fs::space(fs::absolute(path, ignored).parent_path(), ignored);
  const double free = static_cast<double>(space.available) / (1 << 20);
  fail("{}: cannot write the LMDB: {} ({:.0f} MB are free on this disk)", path,
       status == EIO ? "the disk took only a part" : mdb_strerror(status), free);
}

Env create_env(const std::string& path) {
  MDB_env* env = nullptr;
  check_lmdb(mdb_env_create(&env), path, "create an LMDB environment");
  return Env(env);
}

Txn begin(MDB_env* env, unsigned flags, const std::string& path) {
  MDB_txn* txn = nullptr;
  check_lmdb(mdb_txn_begin(env, nullptr, flags, &txn), path, "begin an LMDB transaction");
  return Txn(txn);
}

MDB_val value_of(const std::string& bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

bool is_possible_key(const std::string& key, MDB_env* env) {
  return !key.empty() && key.size() <= static_cast<size_t>(mdb_env_get_maxkeysize(env));
}

/// A file that was cut short would be a bus error when its missing pages are touched.
void check_length(MDB_env* env, const fs::path& file, const std::string& path) {
  MDB_envinfo info{};
  MDB_stat stat{};
  check_lmdb(mdb_env_info(env, &info), path, "read its header");
  check_lmdb(mdb_env_stat(env, &stat), path, "read its header");
  const uint64_t expected = (uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
  const uint64_t found = fs::file_size(file);
  check(found >= expected, "{}: the LMDB is truncated: {} has {} bytes, its header says {}", path,
        file.filename().string(), found, expected);
}

/// What LMDB itself says of an empty file, or of a pointer to one, tells nobody anything.
void check_is_lmdb(const fs::path& file, const std::string& path) {
  char beginning[64] = {};
  std::ifstream in(file, std::ios::binary);
  check(in.good(), "{}: cannot read {}: {}", path, file.filename().string(), std::strerror(errno));
  in.read(beginning, sizeof beginning);
  check(in.gcount() > 0, "{}: cannot open the LMDB: {} is empty (0 bytes)", path, file.filename().string());
  check(!std::string_view(beginning, static_cast<size_t>(in.gcount())).starts_with("version https://git-lfs"),
        "{}: cannot open the LMDB: {} is a Git LFS pointer, the data itself was not fetched (git lfs pull)", path,
        file.filename().string());
}

}  // namespace

struct LmdbStore::Impl {
  std::string path;
  Env env;
  MDB_dbi dbi = 0;
  MappedPages pages;

  /// read(), of which `use` looks at `most` bytes at most.
  bool get(const std::string& key, uint64_t most, const std::function<void(std::span<const uint8_t>)>& use);
};

LmdbStore::LmdbStore(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  const bool is_folder = fs::is_directory(path);
  const fs::path file = is_folder ? fs::path(path) / "data.mdb" : fs::path(path);
  if (!fs::is_regular_file(file)) throw UsageError(fmt::format("{}: no LMDB here: {} is missing", path, file.string()));
  check_is_lmdb(file, path);
  impl_->env = create_env(path);
  unsigned flags = MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | (is_folder ? 0u : unsigned{MDB_NOSUBDIR});
  check_lmdb(mdb_env_open(impl_->env.get(), path.c_str(), flags, 0), path, "open the LMDB");
  check_length(impl_->env.get(), file, path);
  Txn txn = begin(impl_->env.get(), MDB_RDONLY, path);
  check_lmdb(mdb_dbi_open(txn.get(), nullptr, 0, &impl_->dbi), path, "open the LMDB's main table");
  check_lmdb(mdb_txn_commit(txn.release()), path, "open the LMDB's main table");
}

LmdbStore::~LmdbStore() = default;
LmdbStore::LmdbStore(LmdbStore&&) noexcept = default;
LmdbStore& LmdbStore::operator=(LmdbStore&&) noexcept = default;

const std::string& LmdbStore::path() const {
  return impl_->path;
}

int64_t LmdbStore::size() const {
  MDB_stat stat{};
  check_lmdb(mdb_env_stat(impl_->env.get(), &stat), impl_->path, "read its header");
  return static_cast<int64_t>(stat.ms_entries);
}

bool LmdbStore::contains(const std::string& key) const {
  return impl_->get(key, 0, [](std::span<const uint8_t>) {});
}

bool LmdbStore::read(const std::string& key, const std::function<void(std::span<const uint8_t>)>& use) const {
  return impl_->get(key, UINT64_MAX, use);
}

bool LmdbStore::Impl::get(const std::string& key, uint64_t most,
                          const std::function<void(std::span<const uint8_t>)>& use) {
  if (!is_possible_key(key, env.get())) return false;
  Txn txn = begin(env.get(), MDB_RDONLY, path);
  MDB_val name = value_of(key), value{};
  int status = mdb_get(txn.get(), dbi, &name, &value);
  if (status == MDB_NOTFOUND) return false;
  check_lmdb(status, path, "read a record");
  const std::span<const uint8_t> bytes(static_cast<const uint8_t*>(value.mv_data), value.mv_size);
  use(bytes);
  constexpr uint64_t kPage = 4096;  // of the tree, which was looked through
  pages.used(bytes, kPage + std::min<uint64_t>(most, bytes.size()));
  return true;
}

std::vector<std::string> LmdbStore::keys() const {
  Txn txn = begin(impl_->env.get(), MDB_RDONLY, impl_->path);
  MDB_cursor* raw = nullptr;
  check_lmdb(mdb_cursor_open(txn.get(), impl_->dbi, &raw), impl_->path, "list its keys");
  Cursor cursor(raw);
  std::vector<std::string> keys;
  MDB_val key{}, value{};
  int status = MDB_SUCCESS;
  while ((status = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT)) == MDB_SUCCESS)
    keys.emplace_back(static_cast<const char*>(key.mv_data), key.mv_size);
  check(status == MDB_NOTFOUND, "{}: cannot list its keys: {}", impl_->path, mdb_strerror(status));
  return keys;
}

namespace {

constexpr size_t kFirstMap = size_t{64} << 20;
constexpr size_t kBatchBytes = size_t{64} << 20;
constexpr size_t kMapSlack = size_t{16} << 20;

}  // namespace

struct LmdbWriter::Impl {
  std::string path;
  std::string temporary;
  Env env;
  Txn txn;
  MDB_dbi dbi = 0;
  size_t map = kFirstMap;
  size_t uncommitted = 0;
  bool finished = false;

  void begin_writing() { txn = begin(env.get(), 0, path); }
  void commit() {
    if (!txn) return;
    check_write(mdb_txn_commit(txn.release()), path);
    uncommitted = 0;
  }
  /// Room for `bytes` more. The map can only grow between transactions.
  void reserve(size_t bytes) {
    MDB_envinfo info{};
    check_lmdb(mdb_env_info(env.get(), &info), path, "write the LMDB");
    size_t needed = (info.me_last_pgno + 1) * size_t{4096} + (uncommitted + bytes) * 2 + kMapSlack;
    if (needed <= map) return;
    commit();
    while (map < needed) map *= 2;
    check_lmdb(mdb_env_set_mapsize(env.get(), map), path, "enlarge the LMDB");
    begin_writing();
  }
};

LmdbWriter::LmdbWriter(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  check(!fs::exists(path), "{}: already exists, expected a new LMDB", path);
  std::error_code error;
  if (fs::path parent = fs::path(path).parent_path(); !parent.empty()) fs::create_directories(parent, error);
  impl_->temporary = fmt::format("{}.writing-{}", path, getpid());
  fs::remove_all(impl_->temporary, error);
  check(fs::create_directory(impl_->temporary, error), "{}: cannot create a folder here: {}", impl_->temporary,
        error.message());
  try {
    impl_->env = create_env(path);
    check_lmdb(mdb_env_set_mapsize(impl_->env.get(), impl_->map), path, "size the LMDB");
    check_lmdb(mdb_env_open(impl_->env.get(), impl_->temporary.c_str(), MDB_NOSYNC | MDB_NOLOCK, 0644), path,
               "create the LMDB");
    impl_->begin_writing();
    check_lmdb(mdb_dbi_open(impl_->txn.get(), nullptr, MDB_CREATE, &impl_->dbi), path, "create the LMDB");
  } catch (...) {
    impl_->txn.reset();
    impl_->env.reset();
    fs::remove_all(impl_->temporary, error);
    throw;
  }
}

LmdbWriter::~LmdbWriter() {
  impl_->txn.reset();
  impl_->env.reset();
  std::error_code error;
  if (!impl_->finished) fs::remove_all(impl_->temporary, error);
}

void LmdbWriter::put(const std::string& key, std::span<const uint8_t> value) {
  check(!impl_->finished, "{}: the LMDB is finished", impl_->path);
  check(is_possible_key(key, impl_->env.get()), "{}: a key has {} bytes, expected 1 to {}", impl_->path, key.size(),
        mdb_env_get_maxkeysize(impl_->env.get()));
  impl_->reserve(value.size());
  if (!impl_->txn) impl_->begin_writing();
  MDB_val name = value_of(key), bytes{value.size(), const_cast<uint8_t*>(value.data())};
  int status = mdb_put(impl_->txn.get(), impl_->dbi, &name, &bytes, MDB_NOOVERWRITE);
  check(status != MDB_KEYEXIST, "{}: the key '{}' is already there", impl_->path, key);
  check_write(status, impl_->path);
  impl_->uncommitted += value.size();
  if (impl_->uncommitted >= kBatchBytes) impl_->commit();
}

void LmdbWriter::put(const std::string& key, const std::string& value) {
  put(key, {reinterpret_cast<const uint8_t*>(value.data()), value.size()});
}

void LmdbWriter::finish() {
  check(!impl_->finished, "{}: the LMDB is finished", impl_->path);
  impl_->commit();
  check_write(mdb_env_sync(impl_->env.get(), 1), impl_->path);
  impl_->env.reset();
  std::error_code error;
  fs::rename(impl_->temporary, impl_->path, error);
  check(!error, "{}: cannot rename {} to it: {}", impl_->path, impl_->temporary, error.message());
  impl_->finished = true;
}

}  // namespace bevgrad
