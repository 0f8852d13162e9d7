-- What the figures of patients and doctors are counted from (connect-v2 §3.18): each of their queries has its index.

create index sessions_ended_by_patient on sessions (patient_id) include (doctor_id) where status = 'ENDED';
create index sessions_ended_by_doctor on sessions (doctor_id, ended_at)
    include (patient_id, duration_seconds, amount) where status = 'ENDED';
create index followups_by_doctor_written on followups (doctor_id, created_at);
create index prescriptions_by_doctor on prescriptions (doctor_id, created_at);
-- As before, with what the requests are counted by: no row is fetched for it.
drop index sessions_by_doctor;
create index sessions_by_doctor on sessions (doctor_id, created_at desc) include (status, started_at, expires_at);
