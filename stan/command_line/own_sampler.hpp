#ifndef SKHLM_COMMAND_LINE_OWN_SAMPLER_HPP
#define SKHLM_COMMAND_LINE_OWN_SAMPLER_HPP

// A sampler that a program brings along, beside Stan's, for data that ask for it. It is the .cpp file
// of the same name as the Stan program; programs without one have that of none.cpp.

#include <stan/io/var_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace command_line {

class OwnChain {
 public:
  virtual ~OwnChain() = default;
  virtual std::vector<std::string> names() const = 0;
  // One draw, the number `iteration` of all; before `n_warmup` of them it adapts.
  virtual void draw(int iteration, int n_warmup) = 0;
  // Appends the present values, in the order of the names.
  virtual void write(std::vector<double>& values) const = 0;
};

// Opens a chain at these values, with a seed and the chain's number.
using OpenChain = std::function<std::unique_ptr<OwnChain>(const stan::io::var_context& start,
                                                          unsigned seed, unsigned id)>;

// What opens chains of the program's own sampler; empty where the data do not ask for it.
OpenChain find_own_sampler(const stan::io::var_context& data);

}  // namespace command_line

#endif
