-- What must leave the database without being lost: a row is written in the transaction of its cause, taken under a lease
-- by one node, and gone when it is done. A row that nobody can carry stays as a dead letter until an admin looks.

create table outbox (
    id           bigint generated always as identity,
    kind         text        not null,
    -- Rows of one topic go out in their order, and one that failed is dropped when the next one goes.
    topic        text,
    payload      jsonb       not null,
    created_at   timestamptz not null,
    due_at       timestamptz not null,
    -- Of no use to anybody afterwards.
    expires_at   timestamptz,
    attempts     integer     not null default 0,
    leased_until timestamptz,
    last_error   text,
    dead_at      timestamptz,
    constraint outbox_pkey primary key (id)
) with (fillfactor = 70);
create index outbox_due on outbox (kind, due_at) where dead_at is null;
create index outbox_by_topic on outbox (topic, id) where topic is not null and dead_at is null;
create index outbox_dead on outbox (dead_at) where dead_at is not null;

-- Devices that can be rung (connect-v2 83). A token may have 4096 characters, more than an index takes: its hash is unique.
create table device_tokens (
    id             uuid        not null,
    user_id        uuid        not null,
    role           text        not null constraint device_tokens_role_known check (role in ('client', 'doctor')),
    token          text        not null,
    token_hash     bytea       not null,
    platform       text        not null constraint device_tokens_platform_known check (platform in ('android', 'ios')),
    app_version    text,
    is_active      boolean     not null default true,
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    constraint device_tokens_pkey primary key (id),
    constraint device_tokens_token_key unique (token_hash),
    constraint device_tokens_account_fkey foreign key (user_id) references accounts (id)
);
create index device_tokens_by_user on device_tokens (user_id) where is_active;
create index device_tokens_of_patients on device_tokens (id) where is_active and role = 'client';
