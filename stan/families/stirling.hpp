#ifndef HLM_FAMILIES_STIRLING_HPP
#define HLM_FAMILIES_STIRLING_HPP

#include <stan/math/rev.hpp>

#include <cmath>

namespace hlm {

/**
 * What Stirling's formula leaves of a factorial, e(x) = log x! - (x log x - x) for x > 0, and its
 * derivative, so that differences of factorials of large numbers do not cancel.
 */
struct Stirling {
  double value, derivative;

  /** For x whose logarithm is known. */
  Stirling(double x, double log_x) {
    if (x < 16) {
      value = stan::math::lgamma(x + 1) - x * log_x + x;
      derivative = stan::math::digamma(x + 1) - log_x;
      return;
    }
    constexpr double half_log_two_pi = 0.91893853320467274178;
    const double r = 1 / x, s = r * r;
    value = half_log_two_pi + 0.5 * log_x
            + r * (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188))));
    derivative
        = 0.5 * r - s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 - s / 132))));
  }
  explicit Stirling(double x) : Stirling(x, std::log(x)) {}
};

}  // namespace hlm

#endif
