-- Ever later: a minute after it was made, then 2, 4, 8 … minutes apart, at most 6 hours; and once at its end.
with due as (
    select id from payment_orders
    where next_check_at <= $2 and (provider = $1 or expires_at <= $2)
    order by next_check_at
    limit $3
    for update skip locked
)
update payment_orders o
set checks = o.checks + 1,
    next_check_at = case
        when o.expires_at > $2 then least(later.at, o.expires_at)
        else later.at
    end
from due join payment_orders p on p.id = due.id
cross join lateral (select $2 + least(interval '6 hours', interval '2 minutes' * power(2, least(p.checks, 8))) as at) later
where o.id = due.id
returning o.id, o.provider = $1 as "is_ours!"
