// Which addresses are host memory.
#pragma once
#include <cstdint>

namespace bevgrad::emulation {

/// Whether the host can read the address. Numbers below any address that programs get from the system are none.
bool is_host_memory(uintptr_t address);

}  // namespace bevgrad::emulation
