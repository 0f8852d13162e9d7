-- Sessions, messages, calls and what follows a consultation.

create table sessions (
    id               uuid        not null,
    patient_id       uuid        not null,
    doctor_id        uuid        not null,
    status           text        not null constraint sessions_status_known
        check (status in ('REQUESTED', 'ONGOING', 'ENDED', 'REJECTED', 'EXPIRED', 'CANCELLED')),
    category         text,
    symptoms         text[]      not null default '{}',
    active_treatment text,
    medical_history  text,
    rate_per_minute  integer     not null default 0,
    created_at       timestamptz not null,
    expires_at       timestamptz not null,
    started_at       timestamptz,
    ended_at         timestamptz,
    ended_by         text,
    end_reason       text,
    end_note         text,
    duration_seconds integer,
    billed_minutes   integer,
    amount           bigint,
    video_state      text        not null default 'NOT_ALLOWED' constraint sessions_video_state_known
        check (video_state in ('NOT_ALLOWED', 'ALLOWED_BY_DOCTOR', 'VIDEO_ON', 'VIDEO_OFF', 'DECLINED_BY_PATIENT')),
    consent_round    integer     not null default 0,
    last_activity_at timestamptz not null,
    constraint sessions_pkey primary key (id),
    constraint sessions_patient_fkey foreign key (patient_id) references patients (id),
    constraint sessions_doctor_fkey foreign key (doctor_id) references doctors (id)
) with (fillfactor = 80);
-- One ONGOING session per patient, one open request per patient and doctor (connect-v2 37, 42).
create unique index sessions_one_ongoing on sessions (patient_id) where status = 'ONGOING';
create unique index sessions_one_request on sessions (patient_id, doctor_id) where status = 'REQUESTED';
create index sessions_by_doctor on sessions (doctor_id, created_at desc);
create index sessions_by_patient on sessions (patient_id, created_at desc);
create index sessions_open_by_doctor on sessions (doctor_id, created_at) where status in ('REQUESTED', 'ONGOING');
create index sessions_by_expiry on sessions (expires_at) where status = 'REQUESTED';
create index sessions_by_idleness on sessions (last_activity_at) where status = 'ONGOING';

-- A message is its own event: its two inbox places stand in the row (docs/decisions/006).
create table messages (
    id                uuid        not null,
    session_id        uuid        not null,
    client_message_id uuid        not null,
    patient_id        uuid        not null,
    doctor_id         uuid        not null,
    patient_seq       bigint      not null,
    doctor_seq        bigint      not null,
    sender_role       text        not null,
    content_type      text        not null constraint messages_content_type_known
        check (content_type in ('text', 'image', 'file', 'audio')),
    content           text        not null,
    created_at        timestamptz not null,
    delivered_at      timestamptz,
    read_at           timestamptz,
    constraint messages_pkey primary key (id),
    constraint messages_client_id_key unique (session_id, client_message_id),
    constraint messages_session_fkey foreign key (session_id) references sessions (id)
) with (fillfactor = 85);
create unique index messages_history on messages (session_id, created_at, id);
create unique index messages_by_patient_seq on messages (patient_id, patient_seq);
create unique index messages_by_doctor_seq on messages (doctor_id, doctor_seq);

create table calls (
    id         uuid        not null,
    session_id uuid        not null,
    call_type  text        not null constraint calls_type_known check (call_type in ('AUDIO', 'VIDEO')),
    status     text        not null constraint calls_status_known check (status in ('CONNECTED', 'ENDED')),
    started_at timestamptz not null,
    ended_at   timestamptz,
    constraint calls_pkey primary key (id),
    constraint calls_session_fkey foreign key (session_id) references sessions (id)
);
create unique index calls_one_connected on calls (session_id) where status = 'CONNECTED';
create index calls_by_session on calls (session_id, started_at desc);

-- Who is in the media room, by the media server's own word (a hint: reconciled by listing).
create table room_participants (
    session_id uuid        not null,
    identity   text        not null,
    joined_at  timestamptz not null,
    constraint room_participants_pkey primary key (session_id, identity),
    constraint room_participants_session_fkey foreign key (session_id) references sessions (id)
);

create table media_webhooks (
    id          text        not null,
    received_at timestamptz not null,
    constraint media_webhooks_pkey primary key (id)
);
create index media_webhooks_by_age on media_webhooks (received_at);

create table reviews (
    id         uuid             not null,
    session_id uuid             not null,
    doctor_id  uuid             not null,
    patient_id uuid             not null,
    rating     double precision not null,
    comment    text,
    created_at timestamptz      not null,
    constraint reviews_pkey primary key (id),
    constraint reviews_session_key unique (session_id),
    constraint reviews_session_fkey foreign key (session_id) references sessions (id),
    constraint reviews_rating_in_range check (rating between 1 and 5)
);
create index reviews_by_doctor on reviews (doctor_id, created_at desc);

create table followups (
    id                 uuid        not null,
    session_id         uuid        not null,
    doctor_id          uuid        not null,
    patient_id         uuid        not null,
    scheduled_date     date        not null,
    scheduled_time     time,
    scheduled_timezone text        not null,
    scheduled_at       timestamptz not null,
    proposed_date      date,
    proposed_time      time,
    status             text        not null constraint followups_status_known
        check (status in ('PENDING_PATIENT', 'PENDING_DOCTOR', 'ACCEPTED', 'REJECTED', 'CANCELLED')),
    cancel_reason      text,
    cancelled_by       text,
    created_at         timestamptz not null,
    updated_at         timestamptz not null,
    constraint followups_pkey primary key (id),
    constraint followups_session_fkey foreign key (session_id) references sessions (id)
);
create unique index followups_one_open on followups (session_id) where status not in ('CANCELLED', 'REJECTED');

create table prescriptions (
    id          uuid        not null,
    session_id  uuid        not null,
    doctor_id   uuid        not null,
    patient_id  uuid        not null,
    medications jsonb       not null,
    notes       text,
    version     integer     not null default 1,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    constraint prescriptions_pkey primary key (id),
    constraint prescriptions_session_key unique (session_id),
    constraint prescriptions_session_fkey foreign key (session_id) references sessions (id)
);

create table lab_test_orders (
    id              uuid        not null,
    session_id      uuid        not null,
    doctor_id       uuid        not null,
    patient_id      uuid        not null,
    recommendations jsonb       not null,
    notes           text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    constraint lab_test_orders_pkey primary key (id),
    constraint lab_test_orders_session_key unique (session_id),
    constraint lab_test_orders_session_fkey foreign key (session_id) references sessions (id)
);
