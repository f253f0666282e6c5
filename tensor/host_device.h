// BEVGRAD_HD marks code that runs on the host and, compiled by nvcc, on the device.
#pragma once

#ifdef __CUDACC__
#define BEVGRAD_HD __host__ __device__
#else
#define BEVGRAD_HD
#endif
