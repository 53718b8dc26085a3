-- One row: the business date for which this warehouse was built; a gate and a publication ask for it.
select {{ batch_date() }} as batch_date
