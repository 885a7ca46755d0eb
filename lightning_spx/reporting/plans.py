"""Selects the rows of one plan of `results.csv`: what is shared by the models that its rows compare."""

from collections.abc import Iterator

import pandas as pd

PLAN = "plan"
# what a study of several plans says of each, beside the name of the plan
PLAN_WORDS = {
    "seeds": "the same data, other seeds (repeatability)",
    "disjoint": "other data, in parts without common images",
    "folds": "other data, each model without one fold",
    "models": "other architectures (reproducibility)",
}


def plans_of(results: pd.DataFrame) -> list[str]:
    """List the plans of a table in the order of its rows; a table without the column has one, without a name.

    Example:
        >>> plans_of(pd.DataFrame({"plan": ["seeds", "disjoint", "seeds"]}))
        ['seeds', 'disjoint']
    """
    if PLAN not in results:
        return [""]
    # pandas reads the empty plan of a file as a missing value
    return list(dict.fromkeys(results[PLAN].astype(object).fillna("")))


def of_plan(results: pd.DataFrame, plan: str) -> pd.DataFrame:
    """Select the rows of one plan; a table without the column has rows of a single one.

    Example:
        >>> of_plan(pd.DataFrame({"plan": ["seeds", "disjoint"]}), "disjoint").index.tolist()
        [1]
    """
    return results[results[PLAN].astype(object).fillna("") == plan] if PLAN in results else results


def plan_of(row: pd.Series) -> str:
    """Return the plan of a row; it is empty in tables of earlier versions.

    Example:
        >>> plan_of(pd.Series({"plan": "seeds"})), plan_of(pd.Series({"method": "Gradient"}))
        ('seeds', '')
    """
    plan = row.get(PLAN, "")
    return "" if pd.isna(plan) else str(plan)


def by_plan(results: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each plan with the name that tells it from the others; a single plan needs none.

    Example:
        >>> [name for name, _ in by_plan(pd.DataFrame({"plan": ["seeds", "seeds"]}))]
        ['']
    """
    plans = plans_of(results)
    for plan in plans:
        yield (plan or "no plan") if len(plans) > 1 else "", of_plan(results, plan)


def check_one_plan(results: pd.DataFrame) -> None:
    """Refuse rows of several plans where a table or figure would mix them.

    Raises:
        ValueError: there is more than one plan.
    """
    plans = plans_of(results)
    if len(plans) > 1:
        raise ValueError(f"Expected rows of one `plan`, got those of {plans}: select one with `of_plan`.")


def with_plan(title: str, plan: str) -> str:
    """Add the name of a plan to a title; a study of one plan does not say it.

    Example:
        >>> with_plan("MeGe", "seeds"), with_plan("MeGe", "")
        ('MeGe, plan seeds', 'MeGe')
    """
    return f"{title}, plan {plan}" if plan else title
