// SPDX-License-Identifier: MIT
// The CUDA verbs on a device: every format against the CPU. Without a device
// all that needs one is reported as skipped; refusals are tested everywhere.
#include "nibble/cuda.h"

#include <cuda_runtime_api.h>

#include "nibble/dequantize.h"
#include "tests/cuda_reference.h"
#include "tests/golden.h"

namespace nibble {
namespace {

// Skips without a device; fails if there is one that cannot run the kernels.
void NeedDevice() {
  const Status status = cuda::CheckDevice();
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    SKIP(status.message());
  }
  INFO(status.message());
  REQUIRE(status.ok());
}

void Must(cudaError_t error) {
  INFO(cudaGetErrorString(error));
  REQUIRE(error == cudaSuccess);
}
void Must(const Status& status) {
  INFO(status.message());
  REQUIRE(status.ok());
}

// Device memory with the bytes of a host buffer; `offset` moves its start.
class DeviceBytes {
 public:
  explicit DeviceBytes(const std::vector<uint8_t>& bytes, size_t offset = 0)
      : size_(bytes.size()), offset_(offset) {
    Must(cudaMalloc(reinterpret_cast<void**>(&base_), size_ + offset_));
    Must(cudaMemcpy(data(), bytes.data(), size_, cudaMemcpyHostToDevice));
  }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  ~DeviceBytes() { cudaFree(base_); }

  uint8_t* data() const { return base_ + offset_; }
  // Waits for everything, and reports what went wrong on the way.
  std::vector<uint8_t> Read() const {
    Must(cudaDeviceSynchronize());
    std::vector<uint8_t> bytes(size_);
    Must(cudaMemcpy(bytes.data(), data(), size_, cudaMemcpyDeviceToHost));
    return bytes;
  }

 private:
  uint8_t* base_ = nullptr;
  size_t size_, offset_;
};

std::vector<uint8_t> RandomBytes(size_t n, uint32_t seed) {
  std::vector<uint8_t> bytes(n);
  FillRandom(bytes.data(), n, seed);
  return bytes;
}

template <class T>
std::vector<uint8_t> BytesOf(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// Is the element NaN, for the payload of which nobody vouches?
bool IsNan(const uint8_t* p, Type type) {
  return std::isnan(cuda::LoadFloat(p, type, 0));
}

void RequireSameFloats(const std::vector<uint8_t>& got,
                       const std::vector<uint8_t>& want, Type type) {
  REQUIRE(got.size() == want.size());
  const size_t element = cuda::FloatBytes(type);
  for (size_t i = 0; i < want.size(); i += element) {
    if (memcmp(&got[i], &want[i], element) == 0) continue;
    INFO("element " << i / element);
    REQUIRE((IsNan(&got[i], type) && IsNan(&want[i], type)));
  }
}

// ---- Refusals: nothing is launched, so no device is needed.

void RequireRefused(const Status& status, const char* reason) {
  INFO(status.message());
  REQUIRE_FALSE(status.ok());
  REQUIRE(status.message().find(reason) != std::string::npos);
}

TEST_CASE("views that do not fit are refused in the CPU's words") {
  alignas(16) uint8_t bytes[4096] = {};
  float floats[1024] = {};
  const ConstMatrix packed(Type::kQ4_0, bytes, 2, 64);
  const MutableMatrix out = FloatMatrix(floats, 2, 64);
  RequireRefused(
      cuda::Dequantize(ConstMatrix(Type::kQ4_0, bytes, 2, 33), out, nullptr),
      "33 columns");
  RequireRefused(cuda::Dequantize(packed, FloatMatrix(floats, 2, 32), nullptr),
                 "packed is 2 x 64");
  RequireRefused(cuda::Dequantize(
                     packed, MutableMatrix(Type::kQ8_0, bytes, 2, 64), nullptr),
                 "F32, F16 or BF16 wanted");

  cuda::PackedActivations x{bytes, 1, 64};
  const MutableMatrix y = FloatMatrix(floats, 1, 2);
  RequireRefused(cuda::Matvec(FloatMatrix(floats, 2, 64), x, y, nullptr),
                 "quantized type wanted");
  RequireRefused(cuda::Matvec(packed, {bytes, 1, 32}, y, nullptr), "x has 32");
  RequireRefused(cuda::Matvec(packed, {bytes, 2, 64}, y, nullptr),
                 "tokens x rows are 2 x 2");
  RequireRefused(cuda::Matvec(packed, {nullptr, 1, 64}, y, nullptr), "null");
  RequireRefused(cuda::Matvec(packed, {bytes + 8, 1, 64}, y, nullptr),
                 "aligned to 16");
  RequireRefused(cuda::PackActivations(packed, bytes, &x, nullptr),
                 "F32, F16 or BF16 wanted");
  RequireRefused(
      cuda::PackActivations(FloatMatrix(floats, 1, 64), bytes + 4, &x, nullptr),
      "aligned to 16");
}

TEST_CASE("sizes of packed activations") {
  REQUIRE(cuda::PackedActivationBytes(0, 64) == 0);
  REQUIRE(cuda::PackedActivationBytes(1, 0) == 0);
  REQUIRE(cuda::PackedActivationBytes(SIZE_MAX / 64, 64) == 0);
  REQUIRE(cuda::PackedActivationBytes(1, SIZE_MAX) == 0);
  REQUIRE(cuda::PackedActivationBytes(3, 4096) == 3 * cuda::TokenBytes(4096));
}

TEST_CASE("without a device every verb says so") {
  if (cuda::IsAvailable()) SKIP("there is a device");
  alignas(16) uint8_t bytes[4096] = {};
  float floats[1024] = {};
  cuda::PackedActivations x{bytes, 1, 64};
  const auto refused = [](const Status& status) {
    INFO(status.message());
    REQUIRE(status.code() == StatusCode::kUnsupported);
  };
  refused(cuda::CheckDevice());
  refused(cuda::Dequantize(ConstMatrix(Type::kQ4_0, bytes, 2, 64),
                           FloatMatrix(floats, 2, 64), nullptr));
  refused(
      cuda::PackActivations(FloatMatrix(floats, 1, 64), bytes, &x, nullptr));
  refused(cuda::Matvec(ConstMatrix(Type::kQ4_0, bytes, 2, 64), x,
                       FloatMatrix(floats, 1, 2), nullptr));
}

// ---- Dequantize.

// Decodes the same bytes on both sides; rows of `out` are `pad` elements apart.
void CheckDequantize(Type type, size_t rows, size_t cols, size_t stride,
                     size_t offset, Type out_type, size_t pad) {
  const auto packed = RandomBytes(rows * stride, 61);
  const size_t out_stride = (cols + pad) * cuda::FloatBytes(out_type);
  std::vector<uint8_t> want(rows * out_stride, 0xAB);
  const DeviceBytes in(packed, offset), out(want);
  Must(
      Dequantize(ConstMatrix(type, packed.data(), rows, cols, stride),
                 MutableMatrix(out_type, want.data(), rows, cols, out_stride)));
  Must(cuda::Dequantize(
      ConstMatrix(type, in.data(), rows, cols, stride),
      MutableMatrix(out_type, out.data(), rows, cols, out_stride), nullptr));
  RequireSameFloats(out.Read(), want, out_type);
}

TEST_CASE("a device decodes the conformance vectors bit for bit") {
  NeedDevice();
  ForEachFormat([](auto format) {
    const Golden golden = LoadGolden(format);
    const size_t cols = golden.decoded.size();
    const DeviceBytes in(golden.packed);
    const DeviceBytes out(std::vector<uint8_t>(cols * sizeof(float)));
    Must(cuda::Dequantize(ConstMatrix(format.type, in.data(), 1, cols),
                          MutableMatrix(Type::kF32, out.data(), 1, cols),
                          nullptr));
    REQUIRE(out.Read() == BytesOf(golden.decoded));
  });
}

TEST_CASE("a device decodes any bytes like the CPU") {
  NeedDevice();
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    const size_t cols = 3 * F::kBlock;
    const size_t stride = RowBytes(format.type, cols);
    for (const Type out : {Type::kF32, Type::kF16, Type::kBF16}) {
      CheckDequantize(format.type, 5, cols, stride, 0, out, 0);
      CheckDequantize(format.type, 5, cols, stride, 0, out, 3);
      CheckDequantize(format.type, 5, cols, stride + 3, 1, out, 0);
    }
    // More rows than a grid is high, more columns than a block is wide.
    CheckDequantize(format.type, 40000, F::kBlock,
                    RowBytes(format.type, F::kBlock), 0, Type::kBF16, 0);
    CheckDequantize(format.type, 2, 8192, RowBytes(format.type, 8192), 0,
                    Type::kF32, 0);
  });
}

TEST_CASE("a device converts between float types like the CPU") {
  NeedDevice();
  for (const Type in : {Type::kF32, Type::kF16, Type::kBF16}) {
    for (const Type out : {Type::kF32, Type::kF16, Type::kBF16}) {
      CheckDequantize(in, 3, 1001, 1001 * cuda::FloatBytes(in), 0, out, 1);
    }
  }
}

// ---- Matvec.

// `tokens` activation vectors packed by a device, and the same by the host.
struct Packed {
  Packed(size_t tokens, size_t cols)
      : in(BytesOf(RandomFloats(tokens * cols, 71))),
        out(std::vector<uint8_t>(cuda::PackedActivationBytes(tokens, cols))),
        want(cuda::PackedActivationBytes(tokens, cols)) {
    const std::vector<uint8_t> x = in.Read();
    for (size_t t = 0; t < tokens; ++t) {
      HostPack(x.data() + t * cols * sizeof(float), Type::kF32, cols,
               want.data() + t * cuda::TokenBytes(cols));
    }
    Must(cuda::PackActivations(ConstMatrix(Type::kF32, in.data(), tokens, cols),
                               out.data(), &view, nullptr));
  }
  DeviceBytes in, out;
  DeviceLikeBytes want;
  cuda::PackedActivations view;
};

TEST_CASE("a device packs activations like its threads on the host") {
  NeedDevice();
  for (const size_t cols : {1u, 31u, 32u, 100u, 1000u, 4096u}) {
    Packed x(3, cols);
    const std::vector<uint8_t> got = x.out.Read();
    // Between the heads and the next token nothing is written.
    const size_t used = cuda::ActivationBlocks(cols) * 40;
    for (size_t t = 0; t < 3; ++t) {
      const size_t at = t * cuda::TokenBytes(cols);
      REQUIRE(memcmp(&got[at], x.want.data() + at, used) == 0);
    }
  }
}

// Every result is that of the threads on the host, which the host's tests hold
// against the definition, and within the derived bound of the exact product.
template <class F>
void CheckMatvec(Type type, size_t rows, size_t cols, size_t tokens,
                 size_t offset) {
  const size_t stride = RowBytes(type, cols);
  std::vector<uint8_t> weights(rows * stride);
  FillRows<F>(weights.data(), rows, stride, cols, 81);
  Packed x(tokens, cols);
  const size_t y_stride = (rows + 3) * sizeof(float);
  const DeviceBytes w(weights, offset);
  const DeviceBytes y(std::vector<uint8_t>(tokens * y_stride, 0xAB));
  Must(cuda::Matvec(ConstMatrix(type, w.data(), rows, cols), x.view,
                    MutableMatrix(Type::kF32, y.data(), tokens, rows, y_stride),
                    nullptr));
  const std::vector<uint8_t> got = y.Read();
  for (size_t t = 0; t < tokens; ++t) {
    const uint8_t* token = x.want.data() + t * cuda::TokenBytes(cols);
    for (size_t r = 0; r < rows; ++r) {
      const uint8_t* row = weights.data() + r * stride;
      float want[1], value;
      HostMatvec<F, 1, 1>(row, token, 1, static_cast<uint32_t>(cols), want);
      memcpy(&value, &got[t * y_stride + r * sizeof(float)], sizeof(value));
      REQUIRE(BitsOf(value) == BitsOf(want[0]));
      const Reference exact = ReferenceDot<F>(row, token, cols);
      REQUIRE(std::abs(static_cast<double>(value) - exact.value) <=
              exact.bound);
    }
    for (size_t i = rows * sizeof(float); i < y_stride; ++i) {
      REQUIRE(got[t * y_stride + i] == 0xAB);
    }
  }
}

TEST_CASE("a device multiplies like its threads on the host") {
  NeedDevice();
  ForEachFormat([](auto format) {
    using F = typename decltype(format)::Format;
    for (const size_t tokens : {1u, 2u, 3u, 4u, 5u, 8u, 19u}) {
      CheckMatvec<F>(format.type, 7, 1024 + F::kBlock, tokens, 0);
    }
    for (const size_t cols : {F::kBlock, 2 * F::kBlock, size_t{4096}}) {
      CheckMatvec<F>(format.type, 33, cols, 1, 0);
    }
    CheckMatvec<F>(format.type, 7, 1024, 2, 1);  // an odd address
  });
}

TEST_CASE("pack and matvec can be captured into a graph") {
  NeedDevice();
  using F = formats::Q4_K;
  const size_t rows = 5, cols = 1024, stride = RowBytes(Type::kQ4_K, cols);
  std::vector<uint8_t> weights(rows * stride);
  FillRows<F>(weights.data(), rows, stride, cols, 91);
  const DeviceBytes w(weights), in(BytesOf(RandomFloats(cols, 92)));
  const DeviceBytes scratch(
      std::vector<uint8_t>(cuda::PackedActivationBytes(1, cols)));
  const std::vector<uint8_t> zeros(rows * sizeof(float));
  const DeviceBytes direct(zeros), replayed(zeros);
  const auto run = [&](const DeviceBytes& y, cudaStream_t stream) {
    cuda::PackedActivations x;
    Must(cuda::PackActivations(ConstMatrix(Type::kF32, in.data(), 1, cols),
                               scratch.data(), &x, stream));
    Must(cuda::Matvec(ConstMatrix(Type::kQ4_K, w.data(), rows, cols), x,
                      MutableMatrix(Type::kF32, y.data(), 1, rows), stream));
  };
  run(direct, nullptr);
  const std::vector<uint8_t> want = direct.Read();

  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  Must(cudaStreamCreate(&stream));
  Must(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  run(replayed, stream);
  Must(cudaStreamEndCapture(stream, &graph));
  REQUIRE(replayed.Read() == zeros);  // captured, not run
  Must(cudaGraphInstantiate(&exec, graph, 0));
  Must(cudaGraphLaunch(exec, stream));
  REQUIRE(replayed.Read() == want);
  REQUIRE(want != zeros);
  Must(cudaGraphExecDestroy(exec));
  Must(cudaGraphDestroy(graph));
  Must(cudaStreamDestroy(stream));
}

}  // namespace
}  // namespace nibble
