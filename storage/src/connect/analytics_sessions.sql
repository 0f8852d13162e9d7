select counted.total as "total!", page.id as "id?: SessionId", page.status as "status?: Status",
       page.category as "category?", page.doctor_id as "doctor_id?: UserId", d.full_name as "full_name?",
       d.speciality_category as "speciality_category?", d.avatar_file as "avatar_file?",
       page.created_at as "created_at?", page.started_at as "started_at?", page.ended_at as "ended_at?",
       page.duration_seconds as "duration_seconds?", page.amount as "amount?: Paise",
       exists (select from prescriptions p where p.session_id = page.id) as "has_prescription!",
       exists (select from lab_test_orders l where l.session_id = page.id) as "has_lab_tests!",
       exists (select from followups f where f.session_id = page.id) as "has_followup!",
       (select rating from reviews r where r.session_id = page.id) as rating
from (
    select count(*) as total
    from sessions
    where patient_id = $1
      and ($3::text is null
           or case when status = 'REQUESTED' and expires_at <= $2 then 'EXPIRED' else status end = $3)
) counted
left join lateral (
    select id, case when status = 'REQUESTED' and expires_at <= $2 then 'EXPIRED' else status end as status, category,
           doctor_id, created_at, started_at, ended_at, duration_seconds, amount
    from sessions
    where patient_id = $1
      and ($3::text is null
           or case when status = 'REQUESTED' and expires_at <= $2 then 'EXPIRED' else status end = $3)
    order by created_at desc, id desc
    limit $4 offset $5
) page on true
left join doctors d on d.id = page.doctor_id
order by page.created_at desc, page.id desc
