"""Words that options may be, told without importing what they stand for.

``--help`` answers at once because nothing here needs numpy. `tests/cli/test_words.py` holds them to
the package.
"""

FAMILIES = {
    "student_t": "numbers",
    "normal": "numbers",
    "binomial": "shares of successes in [0, 1]",
    "poisson": "counts: 0, 1, 2, ...",
    "negative_binomial": "counts: 0, 1, 2, ...",
    "gamma": "numbers above zero",
}
PARAMETERS = ("kappa", "tau", "sigma", "nu", "overdispersion", "cv")  # that have priors
ALGORITHMS = ("nuts", "pathfinder", "laplace", "advi", "map")
COVARIANCES = ("diagonal", "full")
FALLBACKS = ("nuts",)
UNSEEN = ("population", "error")
KINDS = ("outcome", "mean")
TABLES = ("summary", "group_effects", "coefficients", "shrinkage_factors", "prior_summary")
TABLES_OF_ROWS = ("r2_nakagawa", "icc")
PRIORS = ("default", "weakly_informative")
SHELLS = ("bash", "zsh", "tcsh")
STANDARD = "-"  # the name of the standard streams
EXIT = {"pass": 0, "warn": 3, "fail": 4}  # what diagnose exits with
