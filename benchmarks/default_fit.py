"""A default fit in a process of its own, to be timed from outside.

``python -m benchmarks.default_fit M/student_t`` makes the data, fits, and reads what is learned.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings

from benchmarks.data_sets import DataSet, find_data_sets
from benchmarks.plain import ROOT


def time_default_fit(data_set: DataSet) -> float:
    """Seconds from the start of a process to all fitted attributes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", __name__, data_set.key], cwd=ROOT, check=True)
    return time.perf_counter() - start


def main(key: str) -> None:
    """Fit with nothing but the model given: groups, family, which coefficients vary."""
    from skhlm import HLMRegressor

    (data_set,) = find_data_sets(key)
    X, y = data_set.load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is reported elsewhere
        model = HLMRegressor(
            list(data_set.groups), varying=data_set.varying, family=data_set.family
        ).fit(X, y)
    _ = model.coef_, model.intercept_, model.tau_, model.diagnostics_
    _ = [getattr(model, f"{auxiliary.name}_") for auxiliary in model._posterior.family.auxiliary]
    model.summary()
    model.group_effects()


if __name__ == "__main__":
    main(sys.argv[1])
