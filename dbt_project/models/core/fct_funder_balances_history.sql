{{ conformed_history('funder_balances', ['loan_id_funder', 'balance_date']) }}
