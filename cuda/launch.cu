// SPDX-License-Identifier: MIT
// The verbs of nibble/cuda.h: checks, then the kernels of the type.
#include <algorithm>

#include "cuda/dequantize.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/pack.cuh"
#include "nibble/cuda.h"
#include "src/check.h"

namespace nibble {
namespace cuda {
namespace {

// Indices on the device have 32 bits.
constexpr size_t kMaxExtent = (size_t{1} << 31) - 1;
// Tokens may run along y of a grid one by one.
constexpr size_t kMaxTokens = 65535;

Status CheckExtents(const char* name, const ConstMatrix& m) noexcept {
  if (m.rows > kMaxExtent || m.cols > kMaxExtent) {
    return Unsupported("%s: %zu x %zu is over 2^31 - 1 in one direction", name,
                       m.rows, m.cols);
  }
  return OkStatus();
}

Status CheckPacked(const char* name, const PackedActivations& x) noexcept {
  if (x.data == nullptr) return InvalidArgument("%s: data is null", name);
  if (reinterpret_cast<uintptr_t>(x.data) % alignof(Words16) != 0) {
    return InvalidArgument("%s: data not aligned to %zu bytes", name,
                           alignof(Words16));
  }
  if (x.tokens > kMaxTokens) {
    return Unsupported("%s: %zu tokens, %zu at most", name, x.tokens,
                       kMaxTokens);
  }
  return OkStatus();
}

// Rows of F32, F16 and BF16 among each other: one thread per element.
__global__ void __launch_bounds__(kDequantizeThreads)
    ConvertKernel(const DequantizeArgs args) {
  const uint32_t c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= args.cols) return;
  for (uint32_t r = blockIdx.y; r < args.rows; r += gridDim.y) {
    const float x =
        LoadFloat(args.packed + r * args.packed_stride, args.packed_type, c);
    StoreFloat(x, args.out_type, args.out + r * args.out_stride, c);
  }
}

Status LaunchConvert(const DequantizeArgs& args, CudaStream stream) noexcept {
  const dim3 grid(BlocksFor(args.cols, kDequantizeThreads),
                  std::min(args.rows, kDequantizeRowBlocks));
  return Launch("dequantize", &ConvertKernel, grid, kDequantizeThreads, stream,
                args);
}

}  // namespace

Status CheckDevice() noexcept {
  // Finds the image of a kernel for the device, or says what is missing.
  cudaFuncAttributes attributes;
  const cudaError_t error =
      cudaFuncGetAttributes(&attributes, PackActivationsKernel);
  if (error == cudaSuccess) return OkStatus();
  static_cast<void>(cudaGetLastError());
  return Unsupported("CUDA device: %s", cudaGetErrorString(error));
}

bool IsAvailable() noexcept { return CheckDevice().ok(); }

Status Dequantize(const ConstMatrix& packed, const MutableMatrix& out,
                  CudaStream stream) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckMatrix("packed", packed));
  NIBBLE_RETURN_IF_ERROR(CheckFloatMatrix("out", out));
  NIBBLE_RETURN_IF_ERROR(CheckExtents("packed", packed));
  if (packed.rows != out.rows || packed.cols != out.cols) {
    return InvalidArgument("out is %zu x %zu, packed is %zu x %zu", out.rows,
                           out.cols, packed.rows, packed.cols);
  }
  const size_t quad_bytes = 4 * FloatBytes(out.type);
  DequantizeArgs args = {};
  args.packed = packed.data;
  args.packed_stride = packed.stride_bytes;
  args.out = out.data;
  args.out_stride = out.stride_bytes;
  args.rows = static_cast<uint32_t>(packed.rows);
  args.cols = static_cast<uint32_t>(packed.cols);
  args.packed_type = packed.type;
  args.out_type = out.type;
  args.wide_stores =
      (reinterpret_cast<uintptr_t>(out.data) | out.stride_bytes) % quad_bytes ==
      0;
  const CudaKernels* kernels = FindCudaKernels(packed.type);
  return kernels != nullptr ? kernels->dequantize(args, stream)
                            : LaunchConvert(args, stream);
}

size_t PackedActivationBytes(size_t tokens, size_t cols) noexcept {
  size_t bytes;
  if (cols == 0 || cols > kMaxExtent ||
      __builtin_mul_overflow(tokens, TokenBytes(cols), &bytes)) {
    return 0;
  }
  return bytes;
}

Status PackActivations(const ConstMatrix& x, void* out,
                       PackedActivations* packed, CudaStream stream) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckFloatMatrix("x", x));
  NIBBLE_RETURN_IF_ERROR(CheckExtents("x", x));
  if (packed == nullptr) return InvalidArgument("packed: null");
  const PackedActivations view{static_cast<uint8_t*>(out), x.rows, x.cols};
  NIBBLE_RETURN_IF_ERROR(CheckPacked("out", view));
  PackArgs args = {};
  args.x = x.data;
  args.x_stride = x.stride_bytes;
  args.out = static_cast<uint8_t*>(out);
  args.tokens = static_cast<uint32_t>(x.rows);
  args.cols = static_cast<uint32_t>(x.cols);
  args.type = x.type;
  const dim3 grid(BlocksFor(ActivationBlocks(x.cols) * 8, kPackThreads),
                  args.tokens);
  NIBBLE_RETURN_IF_ERROR(Launch("pack activations", &PackActivationsKernel,
                                grid, kPackThreads, stream, args));
  *packed = view;
  return OkStatus();
}

Status Matvec(const ConstMatrix& weights, const PackedActivations& x,
              const MutableMatrix& y, CudaStream stream) noexcept {
  NIBBLE_RETURN_IF_ERROR(CheckPackedMatrix("weights", weights));
  NIBBLE_RETURN_IF_ERROR(CheckExtents("weights", weights));
  NIBBLE_RETURN_IF_ERROR(CheckPacked("x", x));
  NIBBLE_RETURN_IF_ERROR(CheckFloatMatrix("y", y));
  if (y.type != Type::kF32) {
    return InvalidArgument("y: %s given, F32 wanted", TypeName(y.type));
  }
  if (weights.cols != x.cols) {
    return InvalidArgument("weights have %zu columns, x has %zu", weights.cols,
                           x.cols);
  }
  if (y.rows != x.tokens || y.cols != weights.rows) {
    return InvalidArgument("y is %zu x %zu, tokens x rows are %zu x %zu",
                           y.rows, y.cols, x.tokens, weights.rows);
  }
  MatvecArgs args = {};
  args.weights = weights.data;
  args.weight_stride = weights.stride_bytes;
  args.x = x.data;
  args.y = y.data;
  args.y_stride = y.stride_bytes;
  args.rows = static_cast<uint32_t>(weights.rows);
  args.cols = static_cast<uint32_t>(weights.cols);
  args.tokens = static_cast<uint32_t>(x.tokens);
  return FindCudaKernels(weights.type)->matvec(args, stream);
}

}  // namespace cuda
}  // namespace nibble
