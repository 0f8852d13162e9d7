with event_rows as (
    insert into events (id, at, kind, session_id, data)
    select e.id, e.at, e.kind, e.session_id, e.data::json
    from unnest($4::uuid[], $5::timestamptz[], $6::text[], $7::uuid[], $8::text[]) as e(id, at, kind, session_id, data)
), inbox_rows as (
    insert into inbox (user_id, seq, event_id, at)
    select * from unnest($9::uuid[], $10::bigint[], $11::uuid[], $12::timestamptz[])
)
update inboxes i
set head = h.head, last_at = h.last_at
from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as h(user_id, head, last_at)
where i.user_id = h.user_id
