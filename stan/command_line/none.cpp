// Of programs that bring no sampler along.

#include "own_sampler.hpp"

namespace command_line {

OpenChain find_own_sampler(const stan::io::var_context&) { return {}; }

}  // namespace command_line
