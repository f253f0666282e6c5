// The numbers of TCPStore's wire protocol. Integers are little-endian, strings a u64 length and bytes; there is no
// framing. Source: torch/csrc/distributed/c10d/TCPStoreBackend.hpp and TCPStoreLibUvBackend.cpp.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bevgrad::store_wire {

enum Code : uint8_t {
  kValidate = 0,     // u32 kMagic; no answer
  kSet = 1,          // key, value; no answer
  kCompareSet = 2,   // key, expected, desired -> value
  kGet = 3,          // key -> value; the key must be there
  kAdd = 4,          // key, i64 -> i64
  kCheck = 5,        // u64 n, n keys -> kReady or kNotReady
  kWait = 6,         // u64 n, n keys -> kStopWaiting once all are there
  kGetNumKeys = 7,   // -> i64
  kDeleteKey = 8,    // key -> i64 how many went
  kAppend = 9,       // key, value; no answer
  kMultiGet = 10,    // u64 n, n keys -> n values
  kMultiSet = 11,    // u64 n, n pairs of key and value; no answer
  kCancelWait = 12,  // -> kWaitCancelled
  kPing = 13         // u32 nonce -> the same
};

constexpr uint32_t kMagic = 0x3C85F7CE;
constexpr uint8_t kReady = 0, kNotReady = 1;
constexpr uint8_t kStopWaiting = 0, kWaitCancelled = 1;

constexpr uint64_t kMostKeyBytes = 8 << 10;
constexpr uint64_t kMostValueBytes = 8 << 20;
constexpr uint64_t kMostKeys = 128 << 10;
constexpr size_t kMostRequestBytes = 2 * kMostValueBytes + kMostKeyBytes;
constexpr size_t kMostStoredBytes = size_t{64} << 20;
/// Requests that are not whole yet and answers that are not fetched yet, of all clients together.
constexpr size_t kMostUnfinishedBytes = size_t{64} << 20;

}  // namespace bevgrad::store_wire
