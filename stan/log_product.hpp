#ifndef HLM_LOG_PRODUCT_HPP
#define HLM_LOG_PRODUCT_HPP

#include <cmath>

namespace hlm {

/**
 * The log of a long product at the price of a multiplication a factor.
 *
 * A logarithm is taken only when the running product leaves [1e-100, 1e100]: one for dozens or
 * hundreds of factors. Factors themselves should lie within [1e-200, 1e200].
 */
class LogProduct {
 public:
  void times(double factor) {
    product_ *= factor;
    if (!(product_ < 1e100 && product_ > 1e-100)) {
      log_ += std::log(product_);
      product_ = 1;
    }
  }
  double log() const { return log_ + std::log(product_); }

 private:
  double product_ = 1;
  double log_ = 0;
};

}  // namespace hlm

#endif
