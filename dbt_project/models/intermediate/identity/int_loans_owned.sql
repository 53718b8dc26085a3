-- One row per loan: who owes it, under our number and the funder's.
{{ known_last(ref('fct_loans_history'), 'loan_id', ['customer_id', 'funder', 'loan_id_funder']) }}
