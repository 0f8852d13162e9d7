-- 1,000,000 sessions of 200 doctors and 20,000 patients, 5,000 and 50 each, and what follows from them. Only these tables are
-- read, so nothing has to refer to others.
do $$
declare
    key record;
begin
    for key in select conrelid::regclass as "table", conname from pg_constraint where contype = 'f' loop
        execute format('alter table %s drop constraint %I', key."table", key.conname);
    end loop;
end $$;

create function pg_temp.id(kind text, number bigint) returns uuid language sql immutable
as $$ select (kind || '0000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid $$;

insert into patients (id, height_cm, weight_kg, avatar_id)
select pg_temp.id('a', n), 170, 70, 'bench' from generate_series(0, 19999) n;

insert into doctors (id, full_name, slug, speciality_category, search_text)
select pg_temp.id('d', n), 'Dr. ' || n, 'dr-' || n, 'General', '' from generate_series(0, 199) n;

insert into sessions (id, patient_id, doctor_id, status, created_at, expires_at, started_at, ended_at, duration_seconds,
                      billed_minutes, amount, last_activity_at)
select pg_temp.id('c', n), pg_temp.id('a', n % 20000), pg_temp.id('d', n % 200), status, at, at + interval '30 minutes',
       case when status = 'ENDED' then at + interval '1 minute' end,
       case when status = 'ENDED' then at + interval '11 minutes' end,
       case when status = 'ENDED' then 600 end, case when status = 'ENDED' then 10 end,
       case when status = 'ENDED' then 5000 end, at
from generate_series(0, 999999) n,
     lateral (select '2024-01-01 00:00Z'::timestamptz + n * interval '1 minute' as at) a,
     lateral (select case abs(hashtext(n::text)) % 5 when 0 then 'REJECTED' when 1 then 'EXPIRED' else 'ENDED' end as status) s;

insert into reviews (id, session_id, doctor_id, patient_id, rating, comment, created_at)
select id, id, doctor_id, patient_id, 1 + abs(hashtext(id::text)) % 41 / 10.0, 'Thank you', ended_at
from sessions where status = 'ENDED' and abs(hashtext(id::text)) % 3 = 0;

insert into prescriptions (id, session_id, doctor_id, patient_id, medications, created_at, updated_at)
select id, id, doctor_id, patient_id, '[]', ended_at, ended_at
from sessions where status = 'ENDED' and abs(hashtext(id::text)) % 3 = 1;

insert into followups (id, session_id, doctor_id, patient_id, scheduled_date, scheduled_timezone, scheduled_at, lapses_at,
                       status, created_at, updated_at)
select id, id, doctor_id, patient_id, ended_at::date + 30, 'Asia/Kolkata', ended_at + interval '30 days',
       ended_at + interval '31 days', 'ACCEPTED', ended_at, ended_at
from sessions where status = 'ENDED' and abs(hashtext(id::text)) % 3 = 2;

vacuum (analyze);
