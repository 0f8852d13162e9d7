select p.id, o.id as "order_id", o.amount, o.bonus_amount,
       coalesce(after_bonus.balance_after, e.balance_after) as "balance_after!: Paise", p.at as "created_at"
from ledger_entries e
join ledger_postings p on p.id = e.posting_id and p.kind = 'RECHARGE' and p.reference_type = 'order'
join payment_orders o on o.id = p.reference_id
left join ledger_postings bonus
    on bonus.reference_id = o.id and bonus.kind = 'BONUS' and bonus.reference_type = 'order'
left join ledger_entries after_bonus on after_bonus.posting_id = bonus.id and after_bonus.account_id = e.account_id
where e.account_id = $1 and e.seq is not null
order by e.seq desc
limit $2 offset $3
