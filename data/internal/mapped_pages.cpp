#include "internal/mapped_pages.h"

#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

namespace bevgrad {

namespace {

/// The mapping that holds an address, as the kernel lists it; empty where it does not say.
std::span<uint8_t> mapping_around(const uint8_t* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2 && begin <= wanted && wanted < end)
      return {reinterpret_cast<uint8_t*>(begin), end - begin};
  }
  return {};
}

}  // namespace

void MappedPages::used(std::span<const uint8_t> bytes, uint64_t touched) {
  if (touched_.fetch_add(touched) + touched < kMostResident || bytes.empty()) return;
  touched_ = 0;
  std::call_once(is_found_, [&] { mapping_ = mapping_around(bytes.data()); });
  if (!mapping_.empty()) madvise(mapping_.data(), mapping_.size(), MADV_DONTNEED);
}

}  // namespace bevgrad
