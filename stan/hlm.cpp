// The sampler that hlm.stan brings along: mixture/chain.hpp, where the data have `mixture` > 0, which is
// how many sweeps a draw takes. It draws the model's own parameters.

#include <stan/math/prim.hpp>

#include "command_line/own_sampler.hpp"
#include "mixture/chain.hpp"

namespace hlm::mixture {

class Drawing : public command_line::OwnChain {
 public:
  Drawing(std::shared_ptr<const Problem> problem, int n_sweeps, const stan::io::var_context& start,
          unsigned seed, unsigned id)
      : problem_(std::move(problem)), n_sweeps_(n_sweeps), chain_(*problem_, start, seed, id) {}

  std::vector<std::string> names() const override { return Chain::names(*problem_); }
  void draw(int iteration, int n_warmup) override {
    const int n = iteration < n_warmup ? 1 : n_sweeps_;
    for (int i = 0; i < n; ++i) chain_.sweep(iteration, n_warmup);
  }
  void write(std::vector<double>& values) const override { chain_.write(values); }

 private:
  std::shared_ptr<const Problem> problem_;
  int n_sweeps_;
  Chain chain_;
};

}  // namespace hlm::mixture

namespace command_line {

OpenChain find_own_sampler(const stan::io::var_context& data) {
  if (!data.contains_i("mixture") || data.vals_i("mixture")[0] == 0) return {};
  const int n_sweeps = data.vals_i("mixture")[0];
  const auto problem = std::make_shared<const hlm::mixture::Problem>(data);
  return [=](const stan::io::var_context& start, unsigned seed, unsigned id) {
    return std::make_unique<hlm::mixture::Drawing>(problem, n_sweeps, start, seed, id);
  };
}

}  // namespace command_line
