select counted.total as "total!", page.id as "id?: PostingId", page.kind as "kind?: Kind", page.amount as "amount?: Paise",
       page.balance_after as "balance_after?: Paise", page.reference_type as "reference_type?",
       page.reference_id as "reference_id?", page.description as "description?", page.at as "at?"
from (
    select count(*) as total
    from ledger_entries e join ledger_postings p on p.id = e.posting_id
    where e.account_id = $1 and e.seq is not null and ($2::text is null or p.kind = $2)
) counted
left join lateral (
    select p.id, p.kind, e.amount, e.balance_after, p.reference_type, p.reference_id, p.description, p.at, e.seq
    from ledger_entries e join ledger_postings p on p.id = e.posting_id
    where e.account_id = $1 and e.seq is not null and ($2::text is null or p.kind = $2)
    order by e.seq desc
    limit $3 offset $4
) page on true
order by page.seq desc
