-- What patients get on top of a top-up (connect-v2 119, 132 to 135). Orders keep their own copy of the terms, so an
-- offer may be changed and deleted.
create table wallet_offers (
    id           uuid        not null,
    title        text        not null,
    amount       bigint      not null constraint wallet_offers_amount_positive check (amount > 0),
    bonus_amount bigint      not null constraint wallet_offers_bonus_not_negative check (bonus_amount >= 0),
    valid_from   date        not null,
    valid_until  date        not null,
    is_active    boolean     not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    constraint wallet_offers_pkey primary key (id),
    constraint wallet_offers_dates_in_order check (valid_until >= valid_from)
);
