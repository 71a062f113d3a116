// SPDX-License-Identifier: MIT
// The Run machine: sixteen neighbouring elements as four words of bytes. Wider
// than Quad because a lane wants 16-byte loads: they move four times as many
// bytes per trip through L1 as 4-byte loads of the same addresses.
#ifndef NIBBLE_CUDA_RUN_CUH_
#define NIBBLE_CUDA_RUN_CUH_

#include "cuda/common.cuh"
#include "nibble/formats/machines.h"

namespace nibble {
namespace cuda {

// Sixteen bytes at a multiple of kAlign, and not one byte more.
template <size_t kAlign>
NIBBLE_HD Words16 LoadWords16(const uint8_t* p) {
  return formats::LoadAligned<Words16, kAlign>(p);
}
// At even addresses (all blocks of an fp16 and 2^n bytes): three aligned words
// and two halves, five loads instead of eight. Whether the halves are the last
// four bytes or the first two and the last two is the lane's own affair, so
// everything is chosen without a branch.
template <>
NIBBLE_HD inline Words16 LoadWords16<2>(const uint8_t* p) {
  const size_t past = reinterpret_cast<uintptr_t>(p) & 2;
  const uint32_t w0 = formats::LoadAligned<uint32_t, 4>(p + past);
  const uint32_t w1 = formats::LoadAligned<uint32_t, 4>(p + past + 4);
  const uint32_t w2 = formats::LoadAligned<uint32_t, 4>(p + past + 8);
  const uint32_t lo = formats::LoadAligned<uint16_t, 2>(past != 0 ? p : p + 12);
  const uint32_t hi = formats::LoadAligned<uint16_t, 2>(p + 14);
  const uint32_t first = past != 0 ? 0x5410u : 0x7654u;  // lo:w0  or  w0
  const uint32_t next = past != 0 ? 0x5432u : 0x7654u;   // w0:w1  or  w1
  const uint32_t last = past != 0 ? 0x5432u : 0x5410u;   // w2:hi  or  lo:hi
  return {{formats::BytePermute(lo, w0, first),
           formats::BytePermute(w0, w1, next),
           formats::BytePermute(w1, w2, next),
           formats::BytePermute(past != 0 ? w2 : lo, hi, last)}};
}

// Elements e .. e + 15; e is a multiple of 16. kAlign as for AlignedQuad.
template <size_t kAlign>
struct Run {
  static constexpr uint32_t kElements = 16;

  // What no line below knows better: four quads.
  template <class Node, class B>
  static NIBBLE_HD Words16 Eval(Node node, const B& b, size_t e) {
    return Each([&](size_t i) {
      return formats::AlignedQuad<kAlign>::Eval(node, b, e + 4 * i);
    });
  }
  template <int kBits, int kRun, auto kM, class O, class B>
  static NIBBLE_HD Words16 Eval(formats::Field<kBits, kRun, kM, O> node,
                                const B& b, size_t e) {
    using P = formats::FieldPos<kBits, kRun, O>;
    const uint8_t* p = (b.*kM) + P::Byte(e);
    if constexpr (kRun % 16 == 0) {
      const Words16 raw = LoadWords16<kAlign>(p);
      const int shift = P::Shift(e);
      return Each([&](size_t i) {
        return (raw.word[i] >> shift) & formats::Repeat8((1u << kBits) - 1);
      });
    } else if constexpr (kRun == 1 && kBits == 1) {
      const uint32_t bits = formats::LoadAligned<uint16_t, kAlign>(p);
      return Each([&](size_t i) {
        return formats::SpreadBits((bits >> (4 * i)) & 15);
      });
    } else {
      return Each([&](size_t i) {
        return formats::AlignedQuad<kAlign>::Eval(node, b, e + 4 * i);
      });
    }
  }
  template <int kShift, class E, class B>
  static NIBBLE_HD Words16 Eval(formats::Shl<kShift, E>, const B& b, size_t e) {
    const Words16 v = Eval(E(), b, e);
    return Each([&](size_t i) { return v.word[i] << kShift; });
  }
  template <class A, class C, class B>
  static NIBBLE_HD Words16 Eval(formats::Or<A, C>, const B& b, size_t e) {
    const Words16 low = Eval(A(), b, e), high = Eval(C(), b, e);
    return Each([&](size_t i) { return low.word[i] | high.word[i]; });
  }
  template <class E, class B>
  static NIBBLE_HD Words16 Eval(formats::Signed<E>, const B& b, size_t e) {
    return Eval(E(), b, e);
  }
  template <class E, uint64_t... kWords, class B>
  static NIBBLE_HD Words16 Eval(formats::Lut<E, kWords...>, const B& b,
                                size_t e) {
    const Words16 index = Eval(E(), b, e);
    return Each([&](size_t i) {
      return formats::LookupBytes<formats::LutEntries<kWords...>>(
          index.word[i]);
    });
  }
  template <class Grid, class Index, class B>
  static NIBBLE_HD Words16 Eval(formats::GridPoints<Grid, Index>, const B& b,
                                size_t e) {
    using Quad = formats::AlignedQuad<kAlign>;
    if constexpr (sizeof(typename Grid::Point) == 4) {
      return Each([&](size_t i) {
        return Grid::At(Quad::Number(Index(), b, e / 4 + i));
      });
    } else {
      const uint64_t low = Grid::At(Quad::Number(Index(), b, e / 8));
      const uint64_t high = Grid::At(Quad::Number(Index(), b, e / 8 + 1));
      return Words16{
          {static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32),
           static_cast<uint32_t>(high), static_cast<uint32_t>(high >> 32)}};
    }
  }
  template <class Grid, class Index, class B>
  static NIBBLE_HD Words16 Eval(formats::PairLut<Grid, Index>, const B& b,
                                size_t e) {
    using Quad = formats::AlignedQuad<kAlign>;
    const uint32_t index[2] = {Quad::Eval(Index(), b, e / 2),
                               Quad::Eval(Index(), b, e / 2 + 4)};
    return Each([&](size_t i) {
      const uint32_t two = index[i / 2] >> (16 * (i % 2));
      return Grid::Pair(two & 255) |
             (static_cast<uint32_t>(Grid::Pair((two >> 8) & 255)) << 16);
    });
  }

  // 0xFF in the bytes of negative elements, else 0.
  template <class B>
  static NIBBLE_HD Words16 Negative(formats::NoSigns, const B&, size_t) {
    return Words16{};
  }
  template <class Signs, class B>
  static NIBBLE_HD Words16 Negative(Signs signs, const B& b, size_t e) {
    using Quad = formats::AlignedQuad<kAlign>;
    const uint32_t bits = Quad::SignsOf(signs, b, e / 8) |
                          (Quad::SignsOf(signs, b, e / 8 + 1) << 8);
    return Each([&](size_t i) {
      return formats::SpreadBits((bits >> (4 * i)) & 15) * 255u;
    });
  }

 private:
  template <class WordOf>
  static NIBBLE_HD Words16 Each(const WordOf& word_of) {
    return Words16{{word_of(0), word_of(1), word_of(2), word_of(3)}};
  }
};

}  // namespace cuda
}  // namespace nibble

#endif  // NIBBLE_CUDA_RUN_CUH_
