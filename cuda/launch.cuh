// SPDX-License-Identifier: MIT
// Launching a kernel, and what a CUDA error means to a caller.
#ifndef NIBBLE_CUDA_LAUNCH_CUH_
#define NIBBLE_CUDA_LAUNCH_CUH_

#include <cuda_runtime.h>

#include <cstdint>

#include "nibble/cuda.h"
#include "src/check.h"

namespace nibble {
namespace cuda {

// ok, or a Status with the runtime's words: kUnsupported where no kernel of
// ours can run at all, kResource for everything that goes wrong on a device.
inline Status FromCuda(const char* what, cudaError_t error) noexcept {
  switch (error) {
    case cudaSuccess:
      return OkStatus();
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorUnsupportedPtxVersion:
      return Unsupported("%s: %s", what, cudaGetErrorString(error));
    default:
      return ResourceError("%s: %s (%s)", what, cudaGetErrorString(error),
                           cudaGetErrorName(error));
  }
}

// Puts kernel(args) on the stream. The launch's own error is returned, not what
// the runtime remembers: that may be the leftover of somebody else's call.
template <class Args>
Status Launch(const char* what, void (*kernel)(const Args), dim3 grid,
              uint32_t threads, CudaStream stream, const Args& args) noexcept {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.stream = stream;
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, args);
  // It is in the Status; nobody shall find it a second time.
  if (error != cudaSuccess) static_cast<void>(cudaGetLastError());
  return FromCuda(what, error);
}

// Blocks of `per_block` that hold n.
inline uint32_t BlocksFor(size_t n, uint32_t per_block) noexcept {
  return static_cast<uint32_t>((n + per_block - 1) / per_block);
}

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_LAUNCH_CUH_
