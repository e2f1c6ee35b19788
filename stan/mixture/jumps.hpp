#ifndef HLM_MIXTURE_JUMPS_HPP
#define HLM_MIXTURE_JUMPS_HPP

#include "../lanes.hpp"
#include "random.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <vector>

/*
 * Jumps of one level's coefficients between the modes that they have given all else.
 *
 * With few rows, and residuals of heavy tails, a level may take one or another of its rows for the
 * outlier. A jump proposes coefficients from a mixture of t distributions about the modes, whatever
 * the present ones are (Metropolis, Hastings): the posterior is untouched, however good the mixture.
 * It is made once, for the scales of that moment, and then stays as it is.
 */
namespace hlm::mixture {

using Point = Eigen::VectorXd;

/** What the coefficients of a level depend on beside its rows. */
struct Scales {
  double variance, nu;           // sigma^2, nu
  const double* P;               // m x m: precision about the parent's total
};

/** The rows of a level: their residuals at coefficients of zero, those that do not vary in place. */
struct LevelRows {
  Eigen::MatrixXd X;  // m x n
  Eigen::VectorXd y, weight;
};

/** The density of a level's coefficients given all else, up to a constant. */
class LevelDensity {
 public:
  LevelDensity(const LevelRows& rows, const Point& parent, const Scales& scales)
      : rows_(rows), parent_(parent), scales_(scales),
        P_(scales.P, parent.size(), parent.size()) {}

  double operator()(const Point& t) const {
    const Eigen::ArrayXd q = errors(t).square() / (scales_.nu * scales_.variance);
    const Point d = t - parent_;
    return -0.5 * (scales_.nu + 1) * (rows_.weight.array() * q.log1p()).sum() - 0.5 * d.dot(P_ * d);
  }

  /** What is left of minus the second derivatives; not positive definite away from modes. */
  Eigen::MatrixXd curvature(const Point& t) const {
    const Eigen::ArrayXd squares = errors(t).square(), room = scales_.nu * scales_.variance + squares;
    const Eigen::ArrayXd bend
        = (scales_.nu + 1) * (scales_.nu * scales_.variance - squares) / room.square();
    return information(rows_.weight.array() * bend);
  }

  /** The weights of rows at these coefficients, by which the next are least squares. */
  Eigen::ArrayXd precision(const Point& t) const {
    return rows_.weight.array() * (scales_.nu + 1)
           / (scales_.nu * scales_.variance + errors(t).square());
  }

  Eigen::MatrixXd information(const Eigen::ArrayXd& precision) const {
    return rows_.X * precision.matrix().asDiagonal() * rows_.X.transpose() + P_;
  }

  /** Coefficients by least squares with these weights of rows. */
  Point solve(const Eigen::ArrayXd& precision) const {
    const Point score = rows_.X * (precision * rows_.y.array()).matrix() + P_ * parent_;
    return information(precision).ldlt().solve(score);
  }

  /** The mode uphill from there, or nearly. */
  Point climb(Point t, int n_steps) const {
    for (int i = 0; i < n_steps; ++i) {
      const Eigen::ArrayXd weights = precision(t);
      const Eigen::MatrixXd F = information(weights);
      const Point step
          = F.ldlt().solve(rows_.X * (weights * errors(t)).matrix() + P_ * (parent_ - t));
      t += step;
      if (step.dot(F * step) < 1e-4) break;
    }
    return t;
  }

 private:
  Eigen::ArrayXd errors(const Point& t) const { return rows_.y - rows_.X.transpose() * t; }

  const LevelRows& rows_;
  Point parent_;
  Scales scales_;
  Eigen::Map<const Eigen::MatrixXd> P_;
};

/** A mixture of t distributions, the proposal of a level. */
class Proposal {
 public:
  bool empty() const { return components_.empty(); }

  /** Components about the modes found from many places, by what they weigh. */
  Proposal() = default;
  Proposal(const LevelRows& rows, const Point& parent, const Point& present, const Scales& scales,
           Random& random) {
    const LevelDensity density(rows, parent, scales);
    const LevelDensity sharp(rows, parent, {scales.variance / 4, 1, scales.P});
    std::vector<Component> found;
    for (const Point& from : starts(rows, density, parent, present, random)) {
      const Point shoulder = sharp.climb(from, most_steps);
      consider(density, shoulder, found);
      consider(density, density.climb(shoulder, most_steps), found);
    }
    choose(found);
  }


  /** Fills m coefficients. */
  void draw(int m, double* t, Random& random) const {
    double u = random.uniform();
    std::size_t i = 0;
    while (i + 1 < components_.size() && u > components_[i].share) u -= components_[i++].share;
    const Component& from = components_[i];
    const double *mean = from.mean.data(), *root = from.root.data();
    const double shrunk = 1 / std::sqrt(random.gamma(0.5 * df) / (0.5 * df));
    for (int j = m - 1; j >= 0; --j) {  // root' (t - mean) = shrunk z
      t[j] = shrunk * random.normal();
      for (int h = j + 1; h < m; ++h) t[j] -= root[h + m * j] * t[h];
      t[j] /= root[j + m * j];
    }
    for (int j = 0; j < m; ++j) t[j] += mean[j];
  }

  /**
   * Log density at m coefficients, up to a constant: of each component in proportion to
   * (1 + d^2/df)^(-(df + m)/2), whose powers are products of square roots where df is odd.
   */
  double log_density(int m, const double* t) const {
    double total = 0;
    for (const Component& component : components_) {
      const double *mean = component.mean.data(), *root = component.root.data();
      double squares = 0;
      for (int j = 0; j < m; ++j) {
        double z = 0;
        for (int h = j; h < m; ++h) z += root[h + m * j] * (t[h] - mean[h]);
        squares += z * z;
      }
      const double q = 1 + squares / df;
      double power = (df + m) % 2 ? std::sqrt(q) : 1;
      for (int j = 0; j < (df + m) / 2; ++j) power *= q;
      total += component.height / power;
    }
    return std::log(total);
  }

 private:
  static constexpr int df = 5;
  static constexpr double widening = 1.2, least_share = 0.03, most_below = 8;
  static constexpr double apart = 0.5;  // squared distance of modes that are two
  static constexpr int most_components = 32, most_steps = 15, most_left_out = 40;
  static constexpr std::size_t most_choices = 70, n_random = 40;

  struct Component {
    Point mean;
    Eigen::MatrixXd root;  // of the precision, lower
    double log_mass, log_root = 0, share = 0, height = 0;

    double squared_distance(const Point& t) const {
      return (root.transpose() * (t - mean)).squaredNorm();
    }
  };

  /** Where to climb from: what rows say without one of them, and what few of them say alone. */
  static std::vector<Point> starts(const LevelRows& rows, const LevelDensity& density,
                                   const Point& parent, const Point& present,
                                   Random& random) {
    const Eigen::Index n = rows.y.size(), m = parent.size();
    const Eigen::ArrayXd all = density.precision(present).maxCoeff() * rows.weight.array();
    std::vector<Point> from{present, parent, density.solve(all)};
    for (Eigen::Index i = 0; i < std::min<Eigen::Index>(n, most_left_out); ++i) {
      Eigen::ArrayXd rest = all;
      rest[i] = 0;
      from.push_back(density.solve(rest));
    }
    if (n > m)
      for (const std::vector<int>& few : few_rows(int(n), int(m), random)) {
        Eigen::ArrayXd alone = Eigen::ArrayXd::Zero(n);
        for (int row : few) alone[row] = 4 * all[row];
        from.push_back(density.solve(alone));
      }
    return from;
  }

  /** As many rows as there are coefficients: every choice of them, or some. */
  static std::vector<std::vector<int>> few_rows(int n, int m, Random& random) {
    std::vector<std::vector<int>> choices;
    std::vector<int> few(m);
    for (int i = 0; i < m; ++i) few[i] = i;
    while (choices.size() <= most_choices) {
      choices.push_back(few);
      int last = m - 1;
      while (last >= 0 && few[last] == n - m + last) --last;
      if (last < 0) return choices;
      ++few[last];
      for (int i = last + 1; i < m; ++i) few[i] = few[i - 1] + 1;
    }
    choices.resize(n_random);
    for (std::vector<int>& choice : choices)
      for (int& row : choice) row = int(random.uniform() * n);
    return choices;
  }

  static void consider(const LevelDensity& density, const Point& t, std::vector<Component>& found) {
    if (!t.allFinite()) return;
    Eigen::LLT<Eigen::MatrixXd> root(density.curvature(t));
    if (!is_safe(root)) root.compute(density.information(density.precision(t)) / 2);
    if (!is_safe(root)) return;
    Component component{t, root.matrixL(), density(t)};
    component.log_root = component.root.diagonal().array().log().sum();
    component.log_mass = component.log_mass - component.log_root;
    component.root /= widening;
    component.log_root -= t.size() * std::log(widening);
    found.push_back(component);
  }

  static bool is_safe(const Eigen::LLT<Eigen::MatrixXd>& root) {
    if (root.info() != Eigen::Success) return false;
    const Eigen::MatrixXd L = root.matrixL();
    for (Eigen::Index i = 0; i < L.rows(); ++i)  // of the size that its row has
      if (!(L(i, i) > 0.1 * L.row(i).norm())) return false;
    return true;
  }

  /** The heaviest, as long as they are apart. */
  void choose(std::vector<Component>& found) {
    std::sort(found.begin(), found.end(),
              [](const Component& a, const Component& b) { return a.log_mass > b.log_mass; });
    double total = 0;
    for (const Component& candidate : found) {
      if (components_.size() == most_components
          || candidate.log_mass < found.front().log_mass - most_below)
        break;
      const bool is_new
          = std::all_of(components_.begin(), components_.end(), [&](const Component& other) {
              return other.squared_distance(candidate.mean) > apart;
            });
      if (!is_new) continue;
      components_.push_back(candidate);
      components_.back().share
          = std::exp(candidate.log_mass - found.front().log_mass) + least_share;
      total += components_.back().share;
    }
    const double of_first = components_.empty() ? 0 : components_.front().log_root;
    for (Component& component : components_) {
      component.share /= total;
      component.height = component.share * std::exp(component.log_root - of_first);
    }
  }

  std::vector<Component> components_;
};

}  // namespace hlm::mixture

#endif
