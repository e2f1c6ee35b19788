#ifndef HLM_MIXTURE_RANDOM_HPP
#define HLM_MIXTURE_RANDOM_HPP

#include <boost/random/mersenne_twister.hpp>
#include <boost/random/normal_distribution.hpp>
#include <boost/random/seed_seq.hpp>
#include <boost/random/uniform_01.hpp>

#include <cmath>
#include <vector>

namespace hlm::mixture {

/** Random numbers of one chain: the same from any compiler, as Boost makes them. */
class Random {
 public:
  Random(unsigned seed, unsigned chain) {
    const std::vector<unsigned> words{seed, chain};
    boost::random::seed_seq sequence(words.begin(), words.end());
    bits_.seed(sequence);
  }

  double uniform() { return uniform_(bits_); }
  double normal() { return normal_(bits_); }

  /** Of a gamma distribution with rate 1; Marsaglia and Tsang (2000), their shapes below 1 by section 6. */
  double gamma(double shape) {
    if (shape < 1) return gamma(shape + 1) * std::pow(uniform(), 1 / shape);
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double x = normal(), root = 1 + c * x;
      if (root <= 0) continue;
      const double v = root * root * root, u = uniform(), squared = x * x;
      if (u < 1 - 0.0331 * squared * squared) return d * v;
      if (std::log(u) < 0.5 * squared + d * (1 - v + std::log(v))) return d * v;
    }
  }

  /** Whether something of this log probability happens. */
  bool accepts(double log_probability) {
    return log_probability >= 0 || std::log(uniform()) < log_probability;
  }

 private:
  boost::random::mt19937_64 bits_;
  boost::random::uniform_01<double> uniform_;
  boost::random::normal_distribution<double> normal_;
};

}  // namespace hlm::mixture

#endif
