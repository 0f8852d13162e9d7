select counted.total as "total!", page.id as "id?: OrderId", page.status as "status?: Status",
       page.amount as "amount?: Paise", page.bonus_amount as "bonus_amount?: Paise",
       page.offer_id as "offer_id?: OfferId", page.created_at as "created_at?", page.expires_at as "expires_at?",
       page.paid_at as "paid_at?"
from (select count(*) as total from payment_orders where patient_id = $1) counted
left join lateral (
    select id, status, amount, bonus_amount, offer_id, created_at, expires_at, paid_at
    from payment_orders where patient_id = $1
    order by created_at desc, id desc
    limit $2 offset $3
) page on true
order by page.created_at desc, page.id desc
