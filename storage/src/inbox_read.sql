select
    w.ask as "ask!",
    coalesce(h.head, 0) as "head!",
    e.seq as "seq?",
    e.at as "at?",
    e.kind as "kind?",
    e.session_id as "session_id?: _",
    e.data as "data?",
    e.message_id as "message_id?: _",
    e.client_message_id as "client_message_id?",
    e.sender_id as "sender_id?: _",
    e.sender_role as "sender_role?: _",
    e.content_type as "content_type?: _",
    e.content as "content?"
from unnest($1::uuid[], $2::bigint[]) with ordinality as w(user_id, after, ask)
left join inboxes h on h.user_id = w.user_id
left join lateral (
    (
        select
            i.seq, i.at, v.kind, v.session_id, v.data::text as data, null::uuid as message_id,
            null::uuid as client_message_id, null::uuid as sender_id, null::text as sender_role,
            null::text as content_type, null::text as content
        from inbox i
        join events v on v.at = i.at and v.id = i.event_id
        where i.user_id = w.user_id and i.seq > w.after and i.at > $4
        order by i.seq
        limit $3
    )
    union all
    (
        select
            m.patient_seq, m.created_at, 'message.new', m.session_id, null, m.id, m.client_message_id,
            case m.sender_role when 'client' then m.patient_id else m.doctor_id end, m.sender_role, m.content_type, m.content
        from messages m
        where m.patient_id = w.user_id and m.patient_seq > w.after and m.created_at > $4
        order by m.patient_seq
        limit $3
    )
    union all
    (
        select
            m.doctor_seq, m.created_at, 'message.new', m.session_id, null, m.id, m.client_message_id,
            case m.sender_role when 'client' then m.patient_id else m.doctor_id end, m.sender_role, m.content_type, m.content
        from messages m
        where m.doctor_id = w.user_id and m.doctor_seq > w.after and m.created_at > $4
        order by m.doctor_seq
        limit $3
    )
    order by 1
    limit $3
) as e on true
order by w.ask, e.seq
