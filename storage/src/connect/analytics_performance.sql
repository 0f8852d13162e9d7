select asked.total as "requests!", asked.accepted as "accepted!", asked.rejected as "rejected!",
       asked.missed as "missed!", held.completed as "completed!", held.seconds as "seconds!",
       held.patients as "patients!", held.billed as "billed!: Paise", planned.count as "followups!",
       written.count as "prescriptions!", reviewed.count as "reviews!", reviewed.rating
from (
    select count(*) as total,
           count(*) filter (where started_at is not null) as accepted,
           count(*) filter (where status = 'REJECTED') as rejected,
           count(*) filter (where status = 'EXPIRED' or (status = 'REQUESTED' and expires_at <= $3)) as missed
    from sessions
    where doctor_id = $1 and created_at >= $2 and created_at <= $3
) asked,
(
    select count(*) as completed, coalesce(sum(duration_seconds), 0)::bigint as seconds,
           count(distinct patient_id) as patients, coalesce(sum(amount), 0)::bigint as billed
    from sessions
    where doctor_id = $1 and status = 'ENDED' and ended_at >= $2 and ended_at <= $3
) held,
(select count(*) from followups where doctor_id = $1 and created_at >= $2 and created_at <= $3) planned,
(select count(*) from prescriptions where doctor_id = $1 and created_at >= $2 and created_at <= $3) written,
(
    select count(*) as count, avg(rating) as rating
    from reviews
    where doctor_id = $1 and created_at >= $2 and created_at <= $3
) reviewed
