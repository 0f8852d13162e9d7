with postings as (
    select p.id, count(e.posting_id) as sides, coalesce(sum(e.amount), 0) as total
    from ledger_postings p left join ledger_entries e on e.posting_id = p.id
    group by p.id
),
chains as (
    select account_id, amount, seq, balance_after,
           row_number() over wallet as place,
           sum(amount) over (wallet rows unbounded preceding) as running
    from ledger_entries where seq is not null
    window wallet as (partition by account_id order by seq)
),
wallets as (
    select a.id
    from ledger_accounts a
    left join (select account_id, count(*) as entries, sum(amount) as total from ledger_entries group by account_id) s
        on s.account_id = a.id
    where a.kind = 'WALLET' and (a.balance <> coalesce(s.total, 0) or a.entries <> coalesce(s.entries, 0))
    union
    select account_id from chains where place <> seq or running <> balance_after or balance_after < 0
),
-- An order is SUCCESS exactly if the ledger has its credit and its bonus.
orders as (
    select o.id
    from payment_orders o
    left join ledger_postings p on p.reference_id = o.id and p.kind = 'RECHARGE' and p.reference_type = 'order'
    left join ledger_entries e on e.posting_id = p.id and e.account_id = o.patient_id
    left join ledger_postings b on b.reference_id = o.id and b.kind = 'BONUS' and b.reference_type = 'order'
    left join ledger_entries f on f.posting_id = b.id and f.account_id = o.patient_id
    where coalesce(e.amount, 0) <> case when o.status = 'SUCCESS' then o.amount else 0 end
       or coalesce(f.amount, 0) <> case when o.status = 'SUCCESS' then o.bonus_amount else 0 end
),
-- What a session did not leave due was taken from its patient's wallet. Those from before the ledger have no remainder.
sessions_charged as (
    select s.id
    from sessions s
    left join ledger_postings p
        on p.reference_id = s.id::text and p.kind = 'SESSION_DEBIT' and p.reference_type = 'session'
    left join ledger_entries e on e.posting_id = p.id and e.account_id = s.patient_id
    where coalesce(s.amount - s.amount_due, 0) <> coalesce(-e.amount, 0)
)
select (select count(*) from postings) as "postings!",
       (select coalesce(sum(amount), 0)::bigint from ledger_entries) as "total!",
       (select count(*) from postings where sides < 2 or total <> 0) as "unbalanced!",
       (select count(*) from wallets) as "wallets!",
       (select count(*) from orders) as "orders!",
       (select count(*) from sessions_charged) as "sessions!"
