#include "nccl/clique.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/fault.h"

namespace bevgrad::emulation::nccl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRoot = "/dev/shm";
constexpr const char* kPrefix = "bevgrad-nccl-";

bool is_locked(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool asked = fcntl(file, F_OFD_GETLK, &lock) == 0;
  close(file);
  return asked && lock.l_type != F_UNLCK;
}

bool has_members(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().starts_with("rank") && is_locked(entry.path().string())) return true;
  return false;
}

/// What killed processes left behind.
void sweep() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kRoot, error)) {
    if (!entry.path().filename().string().starts_with(kPrefix)) continue;
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(entry.path(), error);
    if (!error && age > std::chrono::minutes(10) && !has_members(entry.path())) fs::remove_all(entry.path(), error);
  }
}

void write_parcel(const std::string& path, const Parcel& parcel) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(&parcel.description), sizeof(parcel.description));
  stream.write(parcel.bytes.data(), static_cast<std::streamsize>(parcel.bytes.size()));
  stream.flush();
  if (!stream) fault("NCCL: cannot write {}: is /dev/shm full?", path);
}

Parcel read_parcel(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  Parcel parcel;
  stream.read(reinterpret_cast<char*>(&parcel.description), sizeof(parcel.description));
  if (!stream) fault("NCCL: cannot read {}", path);
  parcel.bytes.assign(std::istreambuf_iterator<char>(stream), {});
  return parcel;
}

const char* type_name(int type) {
  switch (type) {
    case 1:
      return "ncclUint8";
    case 2:
      return "ncclInt32";
    case 4:
      return "ncclInt64";
    case 7:
      return "ncclFloat32";
    case 8:
      return "ncclFloat64";
    case 9:
      return "ncclBfloat16";
    default:
      return "of no known type";
  }
}

}  // namespace

std::string Description::text() const {
  std::string line = fmt::format("{} of {} {}", call, count, type_name(type));
  if (op >= 0) line += op == 0 ? ", ncclSum" : op == 2 ? ", ncclMax" : op == 4 ? ", ncclAvg" : ", an unknown operation";
  if (root >= 0) line += fmt::format(", root {}", root);
  return line;
}

struct Clique::Board {
  std::atomic<uint32_t> size;
  std::atomic<uint32_t> joined[kMostRanks];
  std::atomic<uint64_t> posted[kMostRanks];
  std::atomic<uint64_t> sent[kMostRanks][kMostRanks];      // from, to
  std::atomic<uint64_t> received[kMostRanks][kMostRanks];  // from, to
};

std::string Clique::found() {
  sweep();
  uint64_t number = 0;
  if (getrandom(&number, sizeof(number), 0) != sizeof(number)) fault("NCCL: no random numbers");
  const std::string folder = fmt::format("{}/{}{}-{:016x}", kRoot, kPrefix, getpid(), number);
  if (!fs::create_directory(folder)) fault("NCCL: cannot make {}", folder);
  const int file = open((folder + "/board").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, sizeof(Board)) != 0) fault("NCCL: cannot make the board of {}", folder);
  close(file);
  return folder;
}

Clique::Clique(const std::string& name, int rank, int size, const std::string& device)
    : folder_(name), rank_(rank), size_(size) {
  const int board = open(file("board").c_str(), O_RDWR | O_CLOEXEC);
  void* memory = board < 0 ? MAP_FAILED : mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, board, 0);
  if (board >= 0) close(board);
  if (memory == MAP_FAILED) fault("ncclCommInitRankConfig: the unique id is of no clique that is still there");
  board_ = static_cast<Board*>(memory);
  uint32_t nobody = 0;
  if (!board_->size.compare_exchange_strong(nobody, static_cast<uint32_t>(size)) &&
      nobody != static_cast<uint32_t>(size))
    fault("ncclCommInitRankConfig: rank {} counts {} ranks, another one counted {}", rank, size, nobody);
  const std::string path = file(fmt::format("rank{}", rank));
  lock_ = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (lock_ < 0) fault("ncclCommInitRankConfig: rank {} joins for the second time with the same unique id", rank);
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(lock_, F_OFD_SETLK, &lock) != 0 ||
      write(lock_, device.data(), device.size()) != static_cast<ssize_t>(device.size()))
    fault("NCCL: cannot lock {}", path);
  board_->joined[rank].store(1);
}

void Clique::leave() {
  if (const int lock = lock_.exchange(-1); lock >= 0) close(lock);
}

Clique::~Clique() {
  leave();
  munmap(board_, sizeof(Board));
  std::error_code error;
  if (!has_members(folder_)) fs::remove_all(folder_, error);
}

bool Clique::all_joined() const {
  for (int rank = 0; rank < size_; ++rank)
    if (board_->joined[rank].load() == 0) return false;
  return true;
}

std::string Clique::shared_device() const {
  std::vector<std::string> devices;
  for (int rank = 0; rank < size_; ++rank) {
    std::ifstream stream(file(fmt::format("rank{}", rank)));
    std::stringstream text;
    text << stream.rdbuf();
    for (size_t other = 0; other < devices.size(); ++other)
      if (!text.str().empty() && devices[other] == text.str())
        return fmt::format("Duplicate GPU detected : rank {} and rank {} both on CUDA {}", other, rank, text.str());
    devices.push_back(text.str());
  }
  return "";
}

bool Clique::is_lost(int rank) const {
  return board_->joined[rank].load() != 0 && !is_locked(file(fmt::format("rank{}", rank)));
}

void Clique::post(uint64_t index, const Parcel& parcel) {
  write_parcel(file(fmt::format("{}.{}", index, rank_)), parcel);
  board_->posted[rank_].store(index + 1);
}

bool Clique::has_posted(int rank, uint64_t index) const {
  return board_->posted[rank].load() > index;
}

Parcel Clique::posted(int rank, uint64_t index) const {
  return read_parcel(file(fmt::format("{}.{}", index, rank)));
}

void Clique::remove(uint64_t index) {
  unlink(file(fmt::format("{}.{}", index, rank_)).c_str());
}

void Clique::send(int to, uint64_t index, const Parcel& parcel) {
  write_parcel(file(fmt::format("{}.{}to{}", index, rank_, to)), parcel);
  board_->sent[rank_][to].store(index + 1);
}

bool Clique::has_sent(int from, uint64_t index) const {
  return board_->sent[from][rank_].load() > index;
}

Parcel Clique::receive(int from, uint64_t index) {
  const std::string path = file(fmt::format("{}.{}to{}", index, from, rank_));
  Parcel parcel = read_parcel(path);
  unlink(path.c_str());
  board_->received[from][rank_].store(index + 1);
  return parcel;
}

bool Clique::was_received(int to, uint64_t index) const {
  return board_->received[rank_][to].load() > index;
}

}  // namespace bevgrad::emulation::nccl
