// Whether the checksums in files are looked at: always but in fuzzing builds, where they hide what lies behind them.
#pragma once

namespace bevgrad {

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
inline constexpr bool kVerifyChecksums = false;
#else
inline constexpr bool kVerifyChecksums = true;
#endif

}  // namespace bevgrad
