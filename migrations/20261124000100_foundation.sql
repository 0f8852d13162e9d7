-- Roles, settings, the inbox and its events, the audit log.

create extension if not exists pg_trgm;
create extension if not exists btree_gist;

-- The server works as this role: it owns nothing, so row-level security and missing grants bind it.
do $$
begin
    if not exists (select from pg_roles where rolname = 'consilium_app') then
        create role consilium_app nologin;
    end if;
    if not pg_has_role(current_user, 'consilium_app', 'member') then
        execute format('grant consilium_app to %I', current_user);
    end if;
end
$$;

grant usage on schema public to consilium_app;
alter default privileges in schema public grant select, insert, update, delete on tables to consilium_app;
alter default privileges in schema public grant usage, select on sequences to consilium_app;

create table settings (
    key   text not null,
    value text not null,
    constraint settings_pkey primary key (key)
);

-- The epoch of all cursors (realtime.md §2); `consilium epoch rotate` counts it up.
insert into settings (key, value) values ('epoch', 'k1');

-- One row per user: the head of the inbox. Taken under a row lock, in user-id order, by whoever writes events.
create table inboxes (
    user_id uuid        not null,
    head    bigint      not null default 0,
    last_at timestamptz not null,
    constraint inboxes_pkey primary key (user_id)
) with (fillfactor = 50);

-- Durable events other than messages (a message is its own event). Partitioned by day; retention drops partitions.
create table events (
    id         uuid        not null,
    at         timestamptz not null,
    kind       text        not null,
    session_id uuid,
    data       json        not null,
    constraint events_pkey primary key (at, id)
) partition by range (at);
create table events_default partition of events default;

create table inbox (
    user_id  uuid        not null,
    seq      bigint      not null,
    event_id uuid        not null,
    at       timestamptz not null,
    constraint inbox_pkey primary key (user_id, seq, at)
) partition by range (at);
create table inbox_default partition of inbox default;

-- Append only: the server may add and read, nothing else. Rows are chained in blocks by the sealer.
create table audit_log (
    id         bigint generated always as identity,
    txid       xid8        not null default pg_current_xact_id(),
    at         timestamptz not null,
    actor_id   uuid,
    actor_role text        not null,
    action     text        not null,
    subject_id uuid,
    session_id uuid,
    request_id text,
    constraint audit_log_pkey primary key (id)
);
create index audit_log_by_txid on audit_log (txid, id);
create index audit_log_by_subject on audit_log (subject_id, at);

create table audit_blocks (
    id         bigint generated always as identity,
    after_txid xid8        not null,
    upto_txid  xid8        not null,
    row_count  bigint      not null,
    previous   bytea       not null,
    hash       bytea       not null,
    sealed_at  timestamptz not null,
    constraint audit_blocks_pkey primary key (id)
);
revoke update, delete, truncate on audit_log, audit_blocks from consilium_app;

-- What the development inbox page shows (running.md); never written in production.
create table dev_inbox (
    id         bigint generated always as identity,
    channel    text        not null,
    recipient  text        not null,
    subject    text,
    body       text        not null,
    code       text,
    data       jsonb,
    created_at timestamptz not null,
    constraint dev_inbox_pkey primary key (id)
);
create index dev_inbox_by_recipient on dev_inbox (recipient, id);

-- Answers of requests that carried an Idempotency-Key (connect-v2 §1.4), kept 24 h.
create table idempotency_keys (
    account_id  uuid        not null,
    endpoint    text        not null,
    key         text        not null,
    fingerprint bytea       not null,
    status      smallint,
    body        jsonb,
    created_at  timestamptz not null,
    constraint idempotency_keys_pkey primary key (account_id, endpoint, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);
