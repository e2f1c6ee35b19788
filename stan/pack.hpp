#ifndef HLM_PACK_HPP
#define HLM_PACK_HPP

#include "lanes.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

/*
 * Numbers of several levels side by side, as one number.
 *
 * Pack<W> is W numbers in one vector register of the processor, and its arithmetic that of numbers:
 * what is written for a `double` runs for W levels at once. Memory holds eight numbers side by side,
 * whatever the width, so that sums come in the same order with all instructions.
 */
namespace hlm {

template <int Width>
struct VectorOf;
template <>
struct VectorOf<2> {
  typedef double Number __attribute__((vector_size(16)));
  typedef std::uint64_t Bits __attribute__((vector_size(16)));
};
template <>
struct VectorOf<4> {
  typedef double Number __attribute__((vector_size(32)));
  typedef std::uint64_t Bits __attribute__((vector_size(32)));
};
template <>
struct VectorOf<8> {
  typedef double Number __attribute__((vector_size(64)));
  typedef std::uint64_t Bits __attribute__((vector_size(64)));
};

/** Eight numbers in memory. */
struct alignas(64) Lanes {
  static constexpr int count = 8;
  double at[count];
};

template <int Width>
struct Pack {
  using Vector = typename VectorOf<Width>::Number;
  using Bits = typename VectorOf<Width>::Bits;
  static constexpr int width = Width;
  Vector v;

  Pack() = default;
  HLM_INLINE Pack(const Vector& vector) : v(vector) {}
  HLM_INLINE Pack(double x) : v(repeat(x)) {}

  /** From `lane` on, which is a multiple of the width. */
  HLM_INLINE static Pack load(const Lanes& memory, int lane) {
    return *reinterpret_cast<const Vector*>(memory.at + lane);
  }
  HLM_INLINE void store(Lanes& memory, int lane) const {
    *reinterpret_cast<Vector*>(memory.at + lane) = v;
  }
  /** From anywhere, and to there. */
  HLM_INLINE static Pack load(const double* memory) {
    Vector v;
    std::memcpy(&v, memory, sizeof v);
    return v;
  }
  HLM_INLINE void store(double* memory) const { std::memcpy(memory, &v, sizeof v); }
  /** x(0), x(1), ... */
  template <class Function>
  HLM_INLINE static Pack from(const Function& x) {
    return from(x, std::make_integer_sequence<int, Width>());
  }

  HLM_INLINE Pack& operator+=(Pack b) { v += b.v; return *this; }
  HLM_INLINE Pack& operator-=(Pack b) { v -= b.v; return *this; }
  HLM_INLINE friend Pack operator+(Pack a, Pack b) { return a.v + b.v; }
  HLM_INLINE friend Pack operator-(Pack a, Pack b) { return a.v - b.v; }
  HLM_INLINE friend Pack operator*(Pack a, Pack b) { return a.v * b.v; }
  HLM_INLINE friend Pack operator/(Pack a, Pack b) { return a.v / b.v; }
  HLM_INLINE friend Pack operator-(Pack a) { return -a.v; }

  /** a > b ? yes : no */
  HLM_INLINE friend Pack where_greater(Pack a, Pack b, Pack yes, Pack no) {
    const Bits greater = (Bits)(a.v > b.v);
    return (Vector)(((Bits)yes.v & greater) | ((Bits)no.v & ~greater));
  }
  HLM_INLINE friend Pack sqrt(Pack a) {
    alignas(64) double x[Width];
    *reinterpret_cast<Vector*>(x) = a.v;
    for (int i = 0; i < Width; ++i) x[i] = std::sqrt(x[i]);
    return *reinterpret_cast<Vector*>(x);
  }
  HLM_INLINE friend Pack significand_of(Pack a) {
    return (Vector)(((Bits)a.v & SIGNIFICAND) | ONE);
  }
  HLM_INLINE friend Pack power_of(Pack a) {
    return (Vector)(((Bits)a.v >> 52) | TWO_TO_52) - (0x1p52 + 1023);
  }

 private:
  template <class Function, int... lane>
  HLM_INLINE static Pack from(const Function& x, std::integer_sequence<int, lane...>) {
#ifndef __clang__  // GCC puts together halves well, and eight numbers one by one
    if constexpr (Width == 8)
      return __builtin_shuffle(Vector{x(0), x(1), x(2), x(3)}, Vector{x(4), x(5), x(6), x(7)},
                               Bits{0, 1, 2, 3, 8, 9, 10, 11});
#endif
    return Vector{x(lane)...};
  }
  HLM_INLINE static Vector repeat(double x) {
#ifdef __clang__
    return x - Vector{};
#else
    return __builtin_shuffle(Vector{x}, Bits{});
#endif
  }
};

/** n numbers of each lane, from memory and to it. */
template <int n, int width>
HLM_INLINE void load(const Lanes* from, int lane, Pack<width>* to) {
  HLM_UNROLL
  for (int i = 0; i < n; ++i) to[i] = Pack<width>::load(from[i], lane);
}
template <int n, int width>
HLM_INLINE void store(const Pack<width>* from, Lanes* to, int lane) {
  HLM_UNROLL
  for (int i = 0; i < n; ++i) from[i].store(to[i], lane);
}

/** The same of one number; a > 0 has the significand, in [1, 2), times 2 to the power. */
HLM_INLINE double where_greater(double a, double b, double yes, double no) {
  return a > b ? yes : no;
}
HLM_INLINE double significand_of(double a) { return from_bits((bits_of(a) & SIGNIFICAND) | ONE); }
HLM_INLINE double power_of(double a) {
  return from_bits((bits_of(a) >> 52) | TWO_TO_52) - (0x1p52 + 1023);
}

/** The sum of the lanes, in pairs. */
inline double sum(const Lanes& x) {
  return ((x.at[0] + x.at[4]) + (x.at[2] + x.at[6])) + ((x.at[1] + x.at[5]) + (x.at[3] + x.at[7]));
}

}  // namespace hlm

#endif
