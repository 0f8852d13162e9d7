-- Follow-ups (connect-v2 §3.17): when one is over, and the lists of both parties.

-- `scheduled_at` of a date without a time is the day's beginning; the appointment passes with the day's end.
alter table followups add column lapses_at timestamptz;
update followups set lapses_at = scheduled_at;
alter table followups alter column lapses_at set not null;
create index followups_by_patient on followups (patient_id, scheduled_at);
create index followups_by_doctor on followups (doctor_id, scheduled_at);

-- What is to be said later, unless it is dropped before: a row goes in the transaction that sends it. `subject_id` is
-- what it is about; whoever plans, drops or sends holds the subject's own row.
create table reminders (
    subject_id uuid        not null,
    kind       text        not null,
    due_at     timestamptz not null,
    constraint reminders_pkey primary key (subject_id, kind)
);
create index reminders_by_due on reminders (due_at);
