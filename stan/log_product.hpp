#ifndef HLM_LOG_PRODUCT_HPP
#define HLM_LOG_PRODUCT_HPP

#include <cmath>

namespace hlm {

/**
 * The log of a long product, at the price of a multiplication a factor.
 *
 * Powers of 2^500 are taken out and counted, which rounds nothing; the only logarithm is the last.
 * Factors should lie within 2^-500 and 2^500, about 1e150.
 */
class LogProduct {
 public:
  void times(double factor) {
    product_ *= factor;
    if (product_ > 0x1p500) {
      product_ *= 0x1p-500;
      ++powers_;
    } else if (product_ < 0x1p-500) {
      product_ *= 0x1p500;
      --powers_;
    }
  }
  double log() const { return 500 * std::log(2.0) * powers_ + std::log(product_); }

 private:
  double product_ = 1;
  double powers_ = 0;
};

}  // namespace hlm

#endif
