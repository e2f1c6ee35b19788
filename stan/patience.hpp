#ifndef HLM_PATIENCE_HPP
#define HLM_PATIENCE_HPP

#include <stdexcept>

namespace hlm {

/**
 * Returns what `evaluate` returns, a log density.
 *
 * A point without one is refused by a domain error, after which every algorithm of Stan tries
 * another. Its line search does so for ever once both ends of its interval are NaN (WolfLSZoom in
 * stan/optimization/bfgs_linesearch.hpp). No search of use is refused so often in a row: it is
 * ended by an error of another type, which Stan lets through.
 */
template <class Evaluate>
auto within_patience(Evaluate&& evaluate) {
  constexpr int patience = 1000;
  static thread_local int refused = 0;
  try {
    auto value = evaluate();
    refused = 0;
    return value;
  } catch (const std::domain_error&) {
    if (++refused < patience) throw;
    refused = 0;
    throw std::runtime_error("the search went where no log density is finite");
  }
}

}  // namespace hlm

#endif
