#ifndef HLM_INSTRUCTIONS_HPP
#define HLM_INSTRUCTIONS_HPP

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__) && defined(__GNUC__)
#define HLM_CHOOSES_INSTRUCTIONS
#include <cpuid.h>
#endif

/*
 * Work compiled once for every set of vector instructions, and the choice when the program runs.
 *
 * A program that is handed out must run on any processor of its kind, and x86-64 guarantees two
 * numbers at a time only. `vectorised(work)` calls work() from a function compiled for what this
 * processor has, with what work calls compiled into it: everything by GCC; by Clang, whose `flatten` is
 * one call deep, what is HLM_INLINE. The last digits of results differ from one set to the next;
 * SKHLM_INSTRUCTIONS=baseline or avx2 in the environment asks for no more than that.
 */
#define HLM_INLINE [[gnu::always_inline]] inline
#define HLM_UNROLL _Pragma("GCC unroll 32")  // before a loop of few turns, their number known
#define HLM_INLINED __attribute__((always_inline))  // of lambdas, behind their arguments

namespace hlm {

/** How many numbers a vector register holds, as a type; told to work that takes it. */
template <int width>
using Width = std::integral_constant<int, width>;
template <class Work>
constexpr bool wants_width = std::is_invocable_v<const Work&, Width<2>>;

#ifdef HLM_CHOOSES_INSTRUCTIONS

enum class Instructions { baseline, avx2, avx512 };

/** The parts of the vector registers that the system saves between threads, a bit each. */
inline unsigned saved_registers() {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

/**
 * The best set that the processor has and the system allows. We ask ourselves: the answer of
 * __builtin_cpu_supports is the runtime library's, and that of Zig's is always no.
 */
inline Instructions best_instructions() {
  unsigned a, b, c, d;
  constexpr unsigned avx = bit_OSXSAVE | bit_AVX | bit_FMA;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & avx) != avx) return Instructions::baseline;
  const unsigned saved = saved_registers();
  constexpr unsigned halves = 0x6, wholes = 0xe6;  // of ymm; of zmm too, and their masks
  if ((saved & halves) != halves) return Instructions::baseline;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return Instructions::baseline;
  constexpr unsigned avx512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512VL;
  const bool all = (saved & wholes) == wholes && (b & avx512) == avx512;
  return all ? Instructions::avx512 : Instructions::avx2;
}

/** The best set that this processor has and the environment allows. */
inline Instructions find_instructions() {
  const Instructions best = best_instructions();
  const char* most = std::getenv("SKHLM_INSTRUCTIONS");
  if (!most) return best;
  if (!std::strcmp(most, "baseline")) return Instructions::baseline;
  return std::strcmp(most, "avx2") ? best : std::min(best, Instructions::avx2);
}

template <class Work>
__attribute__((flatten)) void run_baseline(const Work& work) {
  if constexpr (wants_width<Work>) work(Width<2>());
  else work();
}
template <class Work>
__attribute__((flatten, target("avx2,fma"))) void run_avx2(const Work& work) {
  if constexpr (wants_width<Work>) work(Width<4>());
  else work();
}
template <class Work>
__attribute__((flatten, target("avx512f,avx512dq,avx512vl,avx2,fma"))) void run_avx512(
    const Work& work) {
  if constexpr (wants_width<Work>) work(Width<8>());
  else work();
}

/** Calls work() or work(Width), which returns nothing. */
template <class Work>
void vectorised(const Work& work) {
  static const Instructions instructions = find_instructions();
  switch (instructions) {
    case Instructions::avx512: return run_avx512(work);
    case Instructions::avx2: return run_avx2(work);
    case Instructions::baseline: return run_baseline(work);
  }
}

#else  // what any processor of this kind has is what the compiler uses anyway

template <class Work>
void vectorised(const Work& work) {
  if constexpr (wants_width<Work>) work(Width<2>());
  else work();
}

#endif

}  // namespace hlm

#endif
