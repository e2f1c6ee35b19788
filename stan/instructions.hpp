#ifndef HLM_INSTRUCTIONS_HPP
#define HLM_INSTRUCTIONS_HPP

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#define HLM_CHOOSES_INSTRUCTIONS
#endif

/*
 * Work compiled once for every set of vector instructions, and the choice when the program runs.
 *
 * A program that is handed out must run on any processor of its kind, and x86-64 guarantees two
 * numbers at a time only. `vectorised(work)` calls work() from a function compiled for what this
 * processor has, with everything that work calls compiled into it (by GCC; Clang sees to work itself,
 * and to what it would inline anyway). The last digits of results differ
 * from one set to the next; SKHLM_INSTRUCTIONS=baseline or avx2 in the environment asks for no more
 * than that.
 */
namespace hlm {

#ifdef HLM_CHOOSES_INSTRUCTIONS

enum class Instructions { baseline, avx2, avx512 };

/** The best set that this processor has and the environment allows. */
inline Instructions find_instructions() {
  const char* most = std::getenv("SKHLM_INSTRUCTIONS");
  const auto allowed = [&](const char* below) { return !most || std::strcmp(most, below) != 0; };
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                      && __builtin_cpu_supports("avx512vl");
  if (!avx2 || !allowed("baseline")) return Instructions::baseline;
  return avx512 && allowed("avx2") ? Instructions::avx512 : Instructions::avx2;
}

template <class Work>
__attribute__((flatten)) void run_baseline(const Work& work) {
  work();
}
template <class Work>
__attribute__((flatten, target("avx2,fma"))) void run_avx2(const Work& work) {
  work();
}
template <class Work>
__attribute__((flatten, target("avx512f,avx512dq,avx512vl,avx2,fma"))) void run_avx512(
    const Work& work) {
  work();
}

/** Calls work(), which takes and returns nothing. */
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
  work();
}

#endif

}  // namespace hlm

#endif
