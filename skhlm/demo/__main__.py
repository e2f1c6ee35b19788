"""Compare pooled, unpooled and hierarchical models on real and simulated data; draw a picture."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill
from time import perf_counter

import pandas as pd

from skhlm.datasets import load_aggression, load_gapminder, make_campaigns
from skhlm.demo.advertisers import best_possible, compare_advertisers, true_effects_covered
from skhlm.demo.answers import compare_answers, load_answers, what_came_true
from skhlm.demo.countries import (
    compare_countries,
    load_countries,
    one_of_each_continent,
    predict_unseen,
    pulls,
)
from skhlm.demo.results import Results, convergence


def main() -> None:
    """The tour, stop by stop, and its picture."""
    parser = argparse.ArgumentParser(prog="python -m skhlm.demo", description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=Path("demo.png"))
    path = parser.parse_args().picture
    if not path.absolute().parent.is_dir():
        parser.error(f"there is no directory {path.parent} for the picture")
    started = perf_counter()
    X, y = load_countries()
    results = show_comparison(X, y)
    pulled = show_pulls(results, X, y)
    unseen = show_unseen(X, y)
    show_advertisers()
    show_answers()
    if find_spec("matplotlib"):
        from skhlm.demo.picture import draw

        draw(path, X, y, results, pulled, unseen)
        say(f"\nThe picture is in {path}.")
    else:
        say("\nNo picture without matplotlib: pip install 'skhlm[plot]'.")
    say(f"All this took {perf_counter() - started:.0f} s.")


def show_comparison(X: pd.DataFrame, y: pd.Series[float]) -> Results:
    """Three kinds of line, from few rows of each country."""
    print("1. LIFE EXPECTANCY IN 142 COUNTRIES, FROM THREE YEARS OF EACH\n")
    say(f"Data: {load_gapminder().source}.")
    say("Each of 4 folds trains on 3 random years of every country and predicts its other 9.")
    say(
        "pooled: one line for all. unpooled: a line for each country. hierarchical: a line for",
        "each country, pulled to its continent's as far as the data say.",
    )
    say(
        "Residuals are normal here: of three rows, Student-t ones may take any for an outlier, and",
        "chains that start apart then stay apart.",
    )
    results = compare_countries(X, y)
    show_scores(results, "years")
    return results


def show_pulls(results: Results, X: pd.DataFrame, y: pd.Series[float]) -> pd.DataFrame:
    """Some countries that are pulled far, and some that are not."""
    pulled = pulls(results, X, y)
    differs = pulled[(pulled["own"] - pulled["continent's"]).abs() > 1]
    print("\n2. HOW STRONGLY COUNTRIES ARE PULLED TO THEIR CONTINENT\n")
    say(
        "Slopes in the first fold, in years of life gained per decade: the five that move most,",
        "and the three least pulled of those that differ from their continent by more than 1.",
    )
    show(pd.concat([differs.head(5), differs.nsmallest(3, "pull")]), pull="{:.0%}")
    truth = pulled["own, 12 years"]
    nearer = (pulled["partial"] - truth).abs() < (pulled["own"] - truth).abs()
    say(
        "pull: share of the way from own to continent's; above 100% where the intercept moves too.",
        "Years close together say little about a slope, so they leave it to the continent; years",
        "far apart speak for themselves.",
    )
    say(
        f"The median pull is {pulled['pull'].median():.0%}. The slope of all 12 years is nearer to",
        f"the partially pooled slope than to the country's own in {nearer.sum()} of {len(nearer)}.",
    )
    return pulled


def show_unseen(X: pd.DataFrame, y: pd.Series[float]) -> pd.DataFrame:
    """Countries that the model has never seen."""
    print("\n3. COUNTRIES HELD OUT ENTIRELY\n")
    say(
        "One of each continent, drawn at random; the model has all years of the other 137.",
        "A country that it has not seen gets its continent's line, and an interval that is as wide",
        "as countries of a continent differ.",
    )
    unseen, model = predict_unseen(X, y, one_of_each_continent(X))
    inside = unseen["observed"].between(unseen["lower"], unseen["upper"])
    years_inside = inside.groupby(unseen["country"]).transform("sum")
    latest = unseen["decades"] == unseen["decades"].max()
    show(unseen.assign(**{"years inside": years_inside})[latest].drop(columns="decades"))
    say("observed to upper: life expectancy in 2007, in years, and its 90% interval.")
    say(
        f"years inside: of 12, in their 90% intervals; {inside.sum()} of {len(inside)} in all.",
        "A country is above or below the line in most of its years, so they come and go together.",
    )
    say(convergence([model]))
    return unseen


def show_advertisers() -> None:
    """Crossed hierarchies, with the truth known."""
    X, y, truth = make_campaigns(2000, random_state=0)
    print("\n4. 2,000 CAMPAIGNS, SIMULATED: COUNTRY IN REGION x VERTICAL IN INDUSTRY\n")
    results = compare_advertisers(X, y)
    unpooled = results.fitted["unpooled"][0]
    n_combinations, n_alone = len(unpooled.combinations_), unpooled.lent_.all(axis=1).sum()
    say(
        "Return by two spends; intercept and slopes vary by all four factors; Student-t noise.",
        "Each of 3 folds predicts a third of the campaigns. unpooled: coefficients of its own for",
        "each combination of country and vertical that has enough rows; of the",
        f"{n_combinations} in the first fold {n_alone} have not: intercepts of their own beside",
        "the pooled slopes. hierarchical: the default model.",
    )
    show_scores(results, "units of the return")
    covered, n = true_effects_covered(results.fitted["hierarchical"][0], truth)
    say(
        f"With the true coefficients R² would be {best_possible(X, y, truth):.3f}. Of the {n} true",
        f"group effects {covered / n:.0%} are in the first fold's 90% intervals.",
    )


def show_answers() -> None:
    """Yes or no, of people who gave few answers."""
    X, y = load_answers()
    print("\n5. YES OR NO: 316 PEOPLE, FROM SIX ANSWERS OF EACH\n")
    say(f"Data: {load_aggression().source}.")
    say(
        "A bus fails to stop: would you want to curse, or do it? To scold, to shout? Each answered",
        "24 such questions; 6 random ones of everybody predict the other 18.",
    )
    say(
        "pooled: one logistic regression. unpooled: one for each person. hierarchical: an",
        "HLMClassifier with an intercept for each person.",
    )
    results = compare_answers(X, y)
    show(results.means(), **{"log loss": "{:.3f}", "Brier score": "{:.3f}", "accuracy": "{:.1%}"})
    say("Log loss and Brier score of the held-out answers: less is better.")
    say(convergence(results.fitted["hierarchical"]))
    worth = what_came_true(results, X, y)
    surest = worth["unpooled: yes"].iloc[0]
    show(worth, **{name: "{:.0%}" for name in map(str, worth) if name.endswith("yes")})
    say(
        "Held-out answers by their predicted probability of yes: n, how many they are, and yes,",
        "the share of them that were yes. Regressions of six answers are too sure: of their surest",
        f"noes {surest:.0%} were yes. The pooled one is seldom sure of anybody. Partial pooling is",
        "sure more often, and right.",
    )


def show_scores(results: Results, unit: str) -> None:
    """The comparison, what its columns say, and whether the chains converged."""
    show(results.means(), **{"R²": "{:.3f}", "coverage": "{:.1%}"})
    say(
        "R² and RMSE of held-out rows; coverage: share of them in their 90% intervals; width: of",
        "those intervals; CRPS: error of the whole predictive distribution, which for a forecast",
        f"without spread is the absolute error. RMSE, width and CRPS are in {unit}.",
    )
    say(convergence(results.fitted["hierarchical"]))


def show(table: pd.DataFrame, **formats: str) -> None:
    """Print a table, numbers with two decimals unless told."""
    styled = {column: text.format for column, text in formats.items()}
    print(f"\n{table.to_string(index=False, float_format='{:.2f}'.format, formatters=styled)}\n")


def say(*sentences: str) -> None:
    """Print a paragraph."""
    print(fill(" ".join(sentences), width=96, replace_whitespace=False), flush=True)


if __name__ == "__main__":
    main()
