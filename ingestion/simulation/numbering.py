"""Running numbers (流水号) of simulated events."""

from __future__ import annotations

import polars as pl


def number_in_order(prefix: str, moment: str, order: pl.Expr | None = None) -> pl.Expr:
    """Prefix, day of `moment` as yymmdd, and eight digits: the row's place from 1, or `order`."""
    place = pl.int_range(1, pl.len() + 1) if order is None else order
    return pl.concat_str(pl.lit(prefix), pl.col(moment).dt.strftime("%y%m%d"), place.cast(pl.String).str.zfill(8))
