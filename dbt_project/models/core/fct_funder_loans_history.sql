{{ conformed_history('funder_loans', ['loan_id_funder', 'loan_event']) }}
