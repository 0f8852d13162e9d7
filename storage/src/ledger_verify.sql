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
)
select (select count(*) from postings) as "postings!",
       (select coalesce(sum(amount), 0)::bigint from ledger_entries) as "total!",
       (select count(*) from postings where sides < 2 or total <> 0) as "unbalanced!",
       (select count(*) from wallets) as "wallets!"
