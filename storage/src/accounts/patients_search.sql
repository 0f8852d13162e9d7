with named as (
    select id from patients where full_name ilike $1
    union
    select id from accounts where role = 'client' and phone like $1
),
found as (
    select a.id, a.created_at
    from named join accounts a on a.id = named.id
    where $2::bool is null or a.is_active = $2
)
select counted.total as "total!", page.id as "id?: UserId"
from (select count(*) as total from found) counted
left join lateral (
    select id from found order by created_at desc, id desc limit $3 offset $4
) page on true
