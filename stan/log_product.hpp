#ifndef HLM_LOG_PRODUCT_HPP
#define HLM_LOG_PRODUCT_HPP

#include "pack.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace hlm {

/**
 * A long product of square roots of pivots, for its logarithm, at the price of a multiplication a
 * factor; of packs, one product in each lane. Powers of two are taken out and counted, which rounds
 * nothing. A factor that is not within 0 and 1e150 makes the product NaN.
 */
template <class Number>
struct LogProduct {
  Number significand = 1, power = 0;

  HLM_INLINE void times(Number factor) {
    const Number nan = std::numeric_limits<double>::quiet_NaN();
    const Number small = where_greater(factor, 1e150, nan, factor);
    const Number product = significand * where_greater(factor, 0, small, nan);
    significand = significand_of(product) + 0 * product;
    power += power_of(product);
  }
};

/** Takes what the lanes of a product hold into that of numbers. */
inline void take_in(const Lanes& significand, const Lanes& power, LogProduct<double>& product) {
  for (int lane = 0; lane < Lanes::count; ++lane) {
    product.times(significand.at[lane]);
    product.power += power.at[lane];
  }
}

/** The log of a product; what is no number had a pivot that was not positive. */
inline double log(const LogProduct<double>& product) {
  if (std::isnan(product.significand))
    throw std::domain_error("hlm: information is not positive definite");
  return LOG_2 * product.power + std::log(product.significand);
}

}  // namespace hlm

#endif
