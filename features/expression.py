"""Row-wise SQL expressions of feature declarations: what they may hold, and which columns they read."""

from __future__ import annotations

import sqlglot
import sqlglot.errors
from sqlglot import expressions as exp

_ROW_WISE = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.In,
    exp.Is,
    exp.Between,
    exp.Null,
    exp.Boolean,
    exp.Literal,
    exp.Column,
    exp.Identifier,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Neg,
    exp.Abs,
    exp.Nullif,
    exp.Coalesce,
    exp.Case,
    exp.If,
    exp.Extract,
    exp.Var,
    exp.Like,
)


def find_columns(sql: str) -> tuple[str, ...]:
    """Columns that a row-wise SQL expression reads, sorted.

    Raises: ValueError when the text is not SQL, or not row-wise: an aggregate, window or subquery would see
    other rows of the bucket, and so depend on the layout.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        detail = str(error).splitlines()[0]
        raise ValueError(f"`{sql}` is not an SQL expression ({detail})") from None
    foreign = sorted({type(node).__name__ for node in tree.walk() if not isinstance(node, _ROW_WISE)})
    if foreign:
        raise ValueError(
            f"`{sql}` uses {', '.join(foreign)}; allowed are comparisons, and/or/not, in, between, is null, "
            "like, arithmetic, abs, nullif, coalesce, case and extract over columns"
        )
    return tuple(sorted({column.name for column in tree.find_all(exp.Column)}))


def find_sql_problems(sql: str) -> list[str]:
    """What keeps a text from being a row-wise SQL expression; empty when it is one."""
    try:
        find_columns(sql)
    except ValueError as error:
        return [str(error)]
    return []
