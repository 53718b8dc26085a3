with

today as (select batch_date as as_of_date from {{ ref('stg_platform__runs') }}),

days as ({{ loan_days('today') }}),

applications as (

    select
        customer_id,
        count(*) as application_count,
        sum(case when decision = 'approved' then 1 else 0 end) as approved_count,
        sum(case when decision = 'pending' then 1 else 0 end) as pending_count,
        min(applied_date) as first_applied_date,
        max(applied_date) as last_applied_date
    from {{ ref('fct_applications') }}
    group by customer_id

),

loans as (

    select
        loans.customer_id,
        count(*) as loan_count,
        sum(case when days.balance_before_compensation_amount > 0 then 1 else 0 end) as active_loan_count,
        sum(loans.principal_amount) as disbursed_amount,
        sum(days.balance_before_compensation_amount) as balance_before_compensation_amount,
        sum(days.balance_after_compensation_amount) as balance_after_compensation_amount,
        sum(days.overdue_principal_amount) as overdue_principal_amount,
        max(days.dpd_before_compensation) as dpd_before_compensation,
        max(days.dpd_after_compensation) as dpd_after_compensation,
        max(days.dpd_ever_before_compensation) as dpd_ever_before_compensation,
        min(loans.funded_date) as first_funded_date,
        max(loans.funded_date) as last_funded_date
    from {{ ref('fct_loans') }} as loans
    inner join days on loans.loan_id = days.loan_id
    group by loans.customer_id

),

leads as (

    select customer_id, count(*) as lead_count, min(created_at) as first_lead_at
    from {{ ref('fct_leads_history') }}
    where _superseded_at is null and customer_id is not null
    group by customer_id

),

consents as (

    select customer_id, purpose, event, occurred_at, valid_to
    from {{ ref('fct_consents_history') }}
    where _superseded_at is null and recipient = '{{ var("platform_party") }}'

),

-- A withdrawal ends every earlier grant, and wins at the same instant: the rule by which features are released.
withdrawals as (

    select customer_id, purpose, max(occurred_at) as withdrawn_at
    from consents
    where event = 'withdrawn'
    group by customer_id, purpose

),

allowed as (

    select
        consents.customer_id,
        max(case when consents.purpose = 'MARKETING' then 1 else 0 end) as marketing,
        max(case when consents.purpose = 'LIMIT_MGMT' then 1 else 0 end) as limit_management,
        max(case when consents.purpose = 'MODEL_DEV' then 1 else 0 end) as model_development
    from consents
    left join withdrawals
        on consents.customer_id = withdrawals.customer_id and consents.purpose = withdrawals.purpose
    where
        consents.event = 'granted'
        and (withdrawals.withdrawn_at is null or consents.occurred_at > withdrawals.withdrawn_at)
        and consents.valid_to >= {{ batch_date() }}
    group by consents.customer_id

)

select
    {{ batch_date() }} as as_of_date,
    customers.customer_id,
    attributes.name_masked,
    attributes.mobile_masked,
    cast(extract(year from customers.birth_date) as int) as birth_year,
    customers.latest_channel,
    customers.first_seen_at,
    cast(coalesce(leads.lead_count, 0) as int) as lead_count,
    case
        when loans.dpd_before_compensation > 0 then 'overdue'
        when loans.active_loan_count > 0 then 'active'
        when loans.loan_count > 0 then 'settled'
        when applications.approved_count > 0 then 'approved'
        when applications.application_count > 0 then 'applied'
        else 'registered'
    end as lifecycle_stage,
    cast(coalesce(applications.application_count, 0) as int) as application_count,
    cast(coalesce(applications.approved_count, 0) as int) as approved_count,
    cast(coalesce(applications.pending_count, 0) as int) as pending_count,
    applications.first_applied_date,
    applications.last_applied_date,
    cast(coalesce(loans.loan_count, 0) as int) as loan_count,
    cast(coalesce(loans.active_loan_count, 0) as int) as active_loan_count,
    loans.first_funded_date,
    loans.last_funded_date,
    cast(coalesce(loans.disbursed_amount, 0) as decimal(18, 2)) as disbursed_amount,
    cast(coalesce(loans.balance_before_compensation_amount, 0) as decimal(18, 2)) as balance_before_compensation_amount,
    cast(coalesce(loans.balance_after_compensation_amount, 0) as decimal(18, 2)) as balance_after_compensation_amount,
    cast(coalesce(loans.overdue_principal_amount, 0) as decimal(18, 2)) as overdue_principal_amount,
    cast(coalesce(loans.dpd_before_compensation, 0) as int) as dpd_before_compensation,
    cast(coalesce(loans.dpd_after_compensation, 0) as int) as dpd_after_compensation,
    cast(coalesce(loans.dpd_ever_before_compensation, 0) as int) as dpd_ever_before_compensation,
    coalesce(allowed.marketing, 0) = 1 as has_marketing_consent,
    coalesce(allowed.limit_management, 0) = 1 as has_limit_management_consent,
    coalesce(allowed.model_development, 0) = 1 as has_model_development_consent
from {{ ref('dim_customers') }} as customers
left join {{ ref('int_customer_attributes') }} as attributes on customers.customer_id = attributes.customer_id
left join applications on customers.customer_id = applications.customer_id
left join loans on customers.customer_id = loans.customer_id
left join leads on customers.customer_id = leads.customer_id
left join allowed on customers.customer_id = allowed.customer_id
