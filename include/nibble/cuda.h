// SPDX-License-Identifier: MIT
// The verbs on an NVIDIA device: the same views, with device addresses and a
// stream.
//
// Every call checks its arguments on the host, puts kernels on the stream and
// returns: it never waits, never allocates, never touches what the addresses
// point to, and can therefore be captured into a graph. A Status tells about
// arguments and about the launch; what happens later on the stream is for the
// caller's own cudaStreamSynchronize to report. Calls are safe from any number
// of threads; the current device must be the one the stream belongs to.
//
//   nibble::cuda::PackActivations(x, scratch, &packed, stream);
//   nibble::cuda::Matvec(weights, packed, y, stream);
//
// Link nibble::cuda. No CUDA header is needed to include this one.
#ifndef NIBBLE_CUDA_H_
#define NIBBLE_CUDA_H_

#include <cstddef>
#include <cstdint>

#include "nibble/export.h"
#include "nibble/matrix.h"
#include "nibble/status.h"

struct CUstream_st;  // what cudaStream_t and CUstream point to

namespace nibble {
namespace cuda {

using CudaStream = CUstream_st*;  // null: the default stream

// Ok if the current device can run this library's kernels; else kUnsupported
// and why not: no driver, no device, or none of the architectures it was built
// for. The first call of a process may take long: it starts the CUDA runtime.
NIBBLE_API Status CheckDevice() noexcept;

// CheckDevice().ok().
NIBBLE_API bool IsAvailable() noexcept;

// Decodes packed rows: out[r][c] = the stored weight, for all rows and columns.
//
// packed: any type, F32/F16/BF16 included. out: F32, F16 or BF16 with the same
// rows and cols; bytes between its rows are not touched. Must not overlap.
// Alignment: any for packed types, the element's for F32, F16 and BF16. Fastest
// when packed rows start at multiples of the largest power of two, up to 16,
// that divides the block and the row header (16 for Q4_K, 4 for IQ4_KS, 2 for
// most), and rows of `out` at multiples of 16: what GGUF files and cudaMalloc
// give.
// Bit-identical to nibble::Dequantize, but for the payload of NaNs.
// Errors: shapes, strides, null or misaligned addresses; sizes of 2^31 and more
// rows or columns (kUnsupported); the launch (kUnsupported, kResource).
NIBBLE_API Status Dequantize(const ConstMatrix& packed,
                             const MutableMatrix& out,
                             CudaStream stream) noexcept;

// A view of packed activations. `data` is device memory of the caller's.
struct PackedActivations {
  const uint8_t* data = nullptr;
  size_t tokens = 0;
  size_t cols = 0;
};

// Device bytes PackActivations writes. 0 if a size is 0 or overflows.
NIBBLE_API size_t PackedActivationBytes(size_t tokens, size_t cols) noexcept;

// Packs x [tokens x cols] (F32, F16 or BF16; any number of columns) into `out`:
// PackedActivationBytes() bytes of device memory at a multiple of 16. Stores
// the view in `packed` at once; it may be used in later calls on the same
// stream, for any type of weights.
//
// code = nearest(x / scale), scale = max |x| / 127 over 32 columns, codes in
// [-127, 127]. The layout is private and not the CPU's. There is no Status for
// activations that are NaN or infinite, since nothing waits for them: their
// block of 32 columns gets the scale NaN, and with it every result of their
// token.
NIBBLE_API Status PackActivations(const ConstMatrix& x, void* out,
                                  PackedActivations* packed,
                                  CudaStream stream) noexcept;

// y[t][r] = sum_c W[r][c] * x[t][c] for every row r and token t.
//
// weights: quantized, rows x cols, straight from a GGUF file; alignment as for
// Dequantize, but here the slow path is a much slower one. x: same cols. y:
// F32, tokens x weights.rows; bytes between its rows are not touched. Made for
// 1 to 8 tokens, for which it reads the weights once; more are legal and cost
// one more reading per 8. Products and sums within 16 columns are exact
// integers; the rest is f32, in an order that depends on cols alone. So a
// result depends neither on the other rows nor on the number of tokens, and is
// the same on every device. Needs no workspace besides the packed activations.
// Errors: as Dequantize.
NIBBLE_API Status Matvec(const ConstMatrix& weights, const PackedActivations& x,
                         const MutableMatrix& y, CudaStream stream) noexcept;

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_H_
