-- Top-up orders (connect-v2 §3.22, §4.7) with the offer's terms frozen in them.
create table payment_orders (
    id                  text        not null,
    patient_id          uuid        not null,
    provider            text        not null,
    status              text        not null constraint payment_orders_status_known
        check (status in ('PENDING', 'SUCCESS', 'FAILED', 'EXPIRED')),
    amount              bigint      not null constraint payment_orders_amount_positive check (amount > 0),
    bonus_amount        bigint      not null constraint payment_orders_bonus_not_negative check (bonus_amount >= 0),
    -- Not a foreign key: an offer may be deleted, its orders stay.
    offer_id            uuid,
    payment_session_id  text        not null,
    provider_payment_id text,
    created_at          timestamptz not null,
    expires_at          timestamptz not null,
    paid_at             timestamptz,
    -- When the provider is asked next without anybody wanting to know; null once there is nothing more to learn.
    next_check_at       timestamptz,
    checks              integer     not null default 0,
    -- What an admin has to look at.
    flag                text        constraint payment_orders_flag_known check (flag in ('AMOUNT_DIFFERS', 'UNRESOLVED')),
    flagged_at          timestamptz,
    flagged_amount      bigint,
    constraint payment_orders_pkey primary key (id),
    constraint payment_orders_patient_fkey foreign key (patient_id) references patients (id),
    constraint payment_orders_paid_has_a_time check ((status = 'SUCCESS') = (paid_at is not null))
);
create index payment_orders_by_patient on payment_orders (patient_id, created_at desc, id desc);
create index payment_orders_by_check on payment_orders (next_check_at) where next_check_at is not null;
create index payment_orders_flagged on payment_orders (flagged_at) where flag is not null;

-- The sandbox's own memory of what was paid there; another provider's would be its own.
create table sandbox_payments (
    order_id   text        not null,
    amount     bigint      not null,
    outcome    text        constraint sandbox_payments_outcome_known check (outcome in ('success', 'failed', 'dropped')),
    decided_at timestamptz,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint sandbox_payments_pkey primary key (order_id)
);
