"""Gates and publication (质量闸口与发布): nothing unaudited is ever visible to a consumer.

`suite` declares what a table must hold, `gate` audits it with Great Expectations inside DuckDB and records
a `verdict`, which an `override` may let pass; `sets` declares what is published together and by which gates,
`objections` finds why it may not be, `publication` writes an immutable version and moves one pointer,
`warehouse` runs dbt.
Importing this package is light: Great Expectations, dbt and Polars are imported by the functions that need
them.
"""
