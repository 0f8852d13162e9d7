-- Money: a double-entry ledger (docs/decisions/022-ledger.md). A posting moves an amount between accounts by entries
-- that sum to zero. The server may add postings and entries; balances follow by trigger, and nothing is ever changed.

-- A patient's wallet and a doctor's earnings have the id of their owner; the house has a few accounts of its own.
create table ledger_accounts (
    id         uuid   not null,
    kind       text   not null constraint ledger_accounts_kind_known
        check (kind in ('WALLET', 'DOCTOR', 'PROVIDER', 'BONUS', 'ADJUSTMENT')),
    -- Of wallets alone, in paise: everybody's entries meet in the other accounts, and a row that each of them updated
    -- would be a queue. Their balance is the sum of their entries.
    balance    bigint not null default 0,
    entries    bigint not null default 0,
    updated_at timestamptz,
    constraint ledger_accounts_pkey primary key (id),
    constraint ledger_accounts_never_negative check (balance >= 0),
    constraint ledger_accounts_balance_of_wallets check (kind = 'WALLET' or balance = 0)
) with (fillfactor = 50);

create table ledger_postings (
    id             uuid        not null,
    kind           text        not null constraint ledger_postings_kind_known
        check (kind in ('RECHARGE', 'BONUS', 'SESSION_DEBIT', 'REFUND', 'ADJUSTMENT')),
    reference_type text        not null constraint ledger_postings_reference_known
        check (reference_type in ('order', 'session', 'adjustment')),
    reference_id   text        not null,
    description    text        not null,
    at             timestamptz not null,
    txid           xid8        not null default pg_current_xact_id(),
    constraint ledger_postings_pkey primary key (id),
    -- An order is credited once, a session debited once, either refunded once: whatever is sent, retried or raced.
    constraint ledger_postings_once unique (reference_id, kind, reference_type)
);

-- No foreign key to the account: its share lock on the house's few rows would pile up under load. Accounts are never
-- deleted, and the trigger refuses an unknown one.
create table ledger_entries (
    posting_id    uuid   not null,
    account_id    uuid   not null,
    amount        bigint not null constraint ledger_entries_amount_counts check (amount <> 0),
    -- Of wallets alone: the entry's number there, and what was in the wallet after it.
    seq           bigint,
    balance_after bigint,
    constraint ledger_entries_pkey primary key (posting_id, account_id),
    constraint ledger_entries_posting_fkey foreign key (posting_id) references ledger_postings (id)
);
create unique index ledger_entries_by_wallet on ledger_entries (account_id, seq) where seq is not null;

-- The server writes no balance, number or transaction id itself, and changes and removes nothing.
revoke insert, update, delete, truncate on ledger_accounts, ledger_postings, ledger_entries from consilium_app;
grant insert (id, kind, updated_at) on ledger_accounts to consilium_app;
grant insert (id, kind, reference_type, reference_id, description, at) on ledger_postings to consilium_app;
grant insert (posting_id, account_id, amount) on ledger_entries to consilium_app;

insert into ledger_accounts (id, kind) values
    ('00000000-0000-4000-8000-0000000000a1', 'PROVIDER'),
    ('00000000-0000-4000-8000-0000000000a2', 'BONUS'),
    ('00000000-0000-4000-8000-0000000000a3', 'ADJUSTMENT');

-- An entry joins a posting of its own transaction only, and moves the wallet's balance with it. Waits for the wallet's
-- row, so that its entries are numbered in the order of their commits.
create function ledger_take_entry() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    posted_at timestamptz;
begin
    select p.at into posted_at from public.ledger_postings p
    where p.id = new.posting_id and p.txid = pg_current_xact_id();
    if not found then
        raise exception 'posting % is closed', new.posting_id
            using errcode = 'check_violation', constraint = 'ledger_entries_posting_open';
    end if;
    update public.ledger_accounts a
    set balance = a.balance + new.amount, entries = a.entries + 1, updated_at = posted_at
    where a.id = new.account_id and a.kind = 'WALLET'
    returning a.entries, a.balance into new.seq, new.balance_after;
    if not found then
        perform from public.ledger_accounts a where a.id = new.account_id;
        if not found then
            raise exception 'account % is unknown', new.account_id
                using errcode = 'foreign_key_violation', constraint = 'ledger_entries_account_known';
        end if;
        new.seq := null;
        new.balance_after := null;
    end if;
    return new;
end
$$;

create trigger ledger_entries_take before insert on ledger_entries
    for each row execute function ledger_take_entry();

-- Looked at when the transaction ends: a posting has at least two entries and they sum to zero.
create function ledger_posting_balances() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    posting uuid;
    sides   bigint;
    total   numeric;
begin
    if tg_table_name = 'ledger_postings' then
        posting := new.id;
    else
        posting := new.posting_id;
    end if;
    select count(*), coalesce(sum(e.amount), 0) into sides, total
    from public.ledger_entries e where e.posting_id = posting;
    if sides < 2 or total <> 0 then
        raise exception 'posting % has % entries of sum %', posting, sides, total
            using errcode = 'check_violation', constraint = 'ledger_postings_balanced';
    end if;
    return null;
end
$$;

create constraint trigger ledger_postings_balanced after insert on ledger_postings
    deferrable initially deferred for each row execute function ledger_posting_balances();
create constraint trigger ledger_entries_balanced after insert on ledger_entries
    deferrable initially deferred for each row execute function ledger_posting_balances();

-- Holds a wallet until the transaction ends and says what is in it: the server has no right to lock what it may not
-- update.
create function ledger_lock_wallet(wallet uuid) returns bigint
    language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select a.balance from public.ledger_accounts a where a.id = wallet and a.kind = 'WALLET' for update
$$;

-- What the wallet did not cover at the end of a session (connect-v2 45): kept, never debited.
alter table sessions add column amount_due bigint
    constraint sessions_amount_due_not_negative check (amount_due >= 0);
