select counted.total as "total!", page.id as "id?: PostingId", page.order_id as "order_id?: OrderId",
       page.amount as "amount?: Paise", page.bonus_amount as "bonus_amount?: Paise",
       page.balance_after as "balance_after?: Paise", page.at as "created_at?"
from (select count(*) as total from payment_orders where patient_id = $1 and status = 'SUCCESS') counted
left join lateral (
    select p.id, o.id as order_id, o.amount, o.bonus_amount, p.at, e.seq,
           coalesce(after_bonus.balance_after, e.balance_after) as balance_after
    from ledger_entries e
    join ledger_postings p on p.id = e.posting_id and p.kind = 'RECHARGE' and p.reference_type = 'order'
    join payment_orders o on o.id = p.reference_id
    left join ledger_postings bonus
        on bonus.reference_id = o.id and bonus.kind = 'BONUS' and bonus.reference_type = 'order'
    left join ledger_entries after_bonus
        on after_bonus.posting_id = bonus.id and after_bonus.account_id = e.account_id
    where e.account_id = $1 and e.seq is not null
    order by e.seq desc
    limit $2 offset $3
) page on true
order by page.seq desc
