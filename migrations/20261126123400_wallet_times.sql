-- A posting's time is taken before the wallet is held: of two that wait for it, the first may be the later one. When the
-- wallet last moved (connect-v2 117) never goes back.
create or replace function ledger_take_entry() returns trigger
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
    set balance = a.balance + new.amount, entries = a.entries + 1,
        updated_at = greatest(a.updated_at, posted_at)
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
