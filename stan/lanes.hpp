#ifndef HLM_LANES_HPP
#define HLM_LANES_HPP

#include "instructions.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

/*
 * Exponentials and logarithms without a branch or a call, so that a loop over rows is vectorised.
 * Relative errors stay below two units in the last place.
 */
namespace hlm {

constexpr double LOG_2 = 0.69314718055994530942;
// bits of a number: its significand's, those of 1 and of 2^52, which added makes a number of an integer
constexpr std::uint64_t SIGNIFICAND = 0x000fffffffffffff;
constexpr std::uint64_t ONE = std::uint64_t(1023) << 52, TWO_TO_52 = 0x4330000000000000;

HLM_INLINE std::uint64_t bits_of(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
HLM_INLINE double from_bits(std::uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

/**
 * exp(x) = 2^n exp(r), |r| <= log(2) / 2, by Taylor's polynomial. Infinite above 709 and 0 below
 * -708, a little early.
 */
HLM_INLINE double lane_exp(double x) {
  constexpr double to_integer = 0x1.8p52;  // added to a number, leaves it rounded in the low bits
  constexpr double log_2_high = 0x1.62e42fefa0000p-1, log_2_low = 0x1.cf79abc9e3b39p-40;
  const double shifted = x / LOG_2 + to_integer, n = shifted - to_integer;
  const double r = (x - n * log_2_high) - n * log_2_low;
  double p = 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  const double value = from_bits(bits_of(p) + (bits_of(shifted) << 52));
  const double bounded = x > 709 ? std::numeric_limits<double>::infinity() : value;
  return x < -708 ? 0 : bounded;
}

/**
 * log(x) of a finite x > 1e-300: x = 2^n m, m within sqrt(1/2) and sqrt(2), and
 * log m = 2 atanh(s), s = (m - 1) / (m + 1), by its power series.
 */
HLM_INLINE double lane_log(double x) {
  constexpr std::uint64_t half_octave = 0x3fe6a09e667f3bcd;  // sqrt(1/2)
  const std::uint64_t biased = (bits_of(x) - half_octave + ONE) >> 52;  // n + 1023
  const double m = from_bits(bits_of(x) + ONE - (biased << 52));
  const double n = from_bits(TWO_TO_52 | biased) - (0x1p52 + 1023);
  const double s = (m - 1) / (m + 1), z = s * s;
  double p = 2.0 / 21;
  p = p * z + 2.0 / 19;
  p = p * z + 2.0 / 17;
  p = p * z + 2.0 / 15;
  p = p * z + 2.0 / 13;
  p = p * z + 2.0 / 11;
  p = p * z + 2.0 / 9;
  p = p * z + 2.0 / 7;
  p = p * z + 2.0 / 5;
  p = p * z + 2.0 / 3;
  return n * LOG_2 + (2 * s + s * z * p);
}

/**
 * sum log q_i of at most 1000 positive numbers at the price of a multiplication each: the product of
 * their significands stays below 2^1000, the powers of two are counted. NaN where one is not finite.
 */
HLM_INLINE double sum_of_logs(int n, const double* q) {
  double product = 1;
  std::uint64_t powers = 0;
#pragma omp simd reduction(* : product) reduction(+ : powers)
  for (int i = 0; i < n; ++i) {
    powers += bits_of(q[i]) >> 52;
    product *= from_bits((bits_of(q[i]) & SIGNIFICAND) | ONE) + 0 * q[i];
  }
  return std::log(product) + (static_cast<double>(powers) - 1023.0 * n) * LOG_2;
}

/** sum w_i log q_i, of however many */
HLM_INLINE double sum_of_logs(int n, const double* q, const double* weight) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int i = 0; i < n; ++i) total += weight[i] * (lane_log(q[i]) + 0 * q[i]);
  return total;
}

}  // namespace hlm

#endif
