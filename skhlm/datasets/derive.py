"""Makes the shipped files from the published tables: ``python -m skhlm.datasets.derive FOLDER``.

FOLDER holds ``gapminder.csv`` (R package gapminder), ``srrs2.dat`` (radon survey, as distributed
with Gelman & Hill 2007), ``sleepstudy.csv``, ``grouseticks.csv`` and ``VerbAgg.csv`` (R package
lme4), ``epil.csv`` (R package MASS) and ``airfare.csv`` (R package wooldridge). Equal inputs
give equal bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd


def gapminder(source: Path) -> pd.DataFrame:
    """Continent, country, year, income and life expectancy; population is left out."""
    names = {
        "continent": "continent",
        "country": "country",
        "year": "year",
        "gdpPercap": "gdp_per_capita",
        "lifeExp": "life_expectancy",
    }
    return pd.read_csv(source / "gapminder.csv")[list(names)].rename(columns=names)


def sleepstudy(source: Path) -> pd.DataFrame:
    """Subject, day and reaction time, in the order published."""
    return pd.read_csv(source / "sleepstudy.csv")[["Subject", "Days", "Reaction"]].rename(
        columns=str.lower
    )


def radon(source: Path) -> pd.DataFrame:
    """Homes whose floor is known (code 9 is "unknown"), sorted by place."""
    survey = pd.read_csv(source / "srrs2.dat", skipinitialspace=True, keep_default_na=False)
    homes = survey[survey["floor"] < 9]
    county = homes["county"].str.strip()
    table = pd.DataFrame(
        {
            "state": homes["state2"].str.strip(),
            "county": county.where(county != "", "UNKNOWN"),
            "floor": (homes["floor"] > 0).astype(int),
            "activity": homes["activity"],
        }
    )
    return table.sort_values(["state", "county"], kind="stable")


def grouse(source: Path) -> pd.DataFrame:
    """Place, brood, year, height and ticks of each chick, in the order published."""
    chicks = pd.read_csv(source / "grouseticks.csv", dtype=str)
    return pd.DataFrame(
        {
            "location": chicks["LOCATION"],
            "brood": chicks["BROOD"],
            "year": "19" + chicks["YEAR"],
            "height": chicks["HEIGHT"],
            "ticks": chicks["TICKS"],
        }
    )


def aggression(source: Path) -> pd.DataFrame:
    """Person, item and what they are as zeros and ones; the answer "perhaps" counts as yes."""
    answers = pd.read_csv(source / "VerbAgg.csv", dtype=str)
    indicators = {
        "male": answers["Gender"] == "M",
        "do": answers["mode"] == "do",
        "self_to_blame": answers["situ"] == "self",
        "scold": answers["btype"] == "scold",
        "shout": answers["btype"] == "shout",
    }
    return pd.DataFrame(
        {
            "person": answers["id"],
            "item": answers["item"].str.replace("want", "Want"),  # one lacks the capital
            "anger": answers["Anger"],
            **{name: column.astype(int) for name, column in indicators.items()},
            "answer": answers["r2"].map({"Y": "yes", "N": "no"}),
        }
    )


def epilepsy(source: Path) -> pd.DataFrame:
    """Patient, visit, treatment, seizures before it, age, and seizures, in the order published."""
    visits = pd.read_csv(source / "epil.csv", dtype=str)
    return pd.DataFrame(
        {
            "patient": visits["subject"],
            "visit": visits["period"],
            "progabide": (visits["trt"] == "progabide").astype(int),
            "baseline": visits["base"],
            "age": visits["age"],
            "seizures": visits["y"],
        }
    )


def airfare(source: Path) -> pd.DataFrame:
    """Route, year, distance, passengers, largest airline's share and fare, in the order published.

    The shares were published with four decimals, and had become single precision on their way.
    """
    years = pd.read_csv(source / "airfare.csv")
    return pd.DataFrame(
        {
            "route": years["id"],
            "year": years["year"],
            "distance": years["dist"],
            "passengers": years["passen"],
            "largest_share": years["concen"].round(4),
            "fare": years["fare"],
        }
    )


def main(source: Path, target: Path) -> None:
    """Write the seven tables; no time stamp, so that the bytes depend on the input alone."""
    for derive in (gapminder, sleepstudy, radon, grouse, aggression, epilepsy, airfare):
        derive(source).to_csv(
            target / f"{derive.__name__}.csv.gz",
            index=False,
            compression={"method": "gzip", "compresslevel": 9, "mtime": 0},
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent / "data")
