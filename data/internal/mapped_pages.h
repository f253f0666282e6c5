// Memory that a mapped file takes while it is read from one end to the other.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>

namespace bevgrad {

/// Pages of a mapped file that were read stay in a process's resident memory until the machine runs short of it, so
/// that reading a large file looks like a leak, and is one where a container's limit counts it. After so many bytes the
/// mapping gives its pages back; they stay in the system's cache, and what is read again comes from there. Thread-safe,
/// also beside threads that read.
class MappedPages {
 public:
  static constexpr uint64_t kMostResident = uint64_t{64} << 20;

  /// Says that bytes of the mapping, of which `touched` may have been looked at, were read.
  void used(std::span<const uint8_t> bytes, uint64_t touched);

 private:
  std::atomic<uint64_t> touched_ = 0;
  std::once_flag is_found_;
  std::span<uint8_t> mapping_;
};

}  // namespace bevgrad
