-- Recordings of consultations (connect-v2 §3.10): made by the media server's recorder, kept in the file store.

create table recordings (
    id               uuid        not null,
    session_id       uuid        not null,
    -- STARTING and DROPPED are the server's own: no client sees them.
    status           text        not null constraint recordings_status_known
        check (status in ('STARTING', 'DROPPED', 'RECORDING', 'PROCESSING', 'READY', 'FAILED')),
    started_by       text        not null,
    object_key       text        not null,
    -- The recorder's own id; unknown until it answered.
    egress_id        text,
    requested_at     timestamptz not null,
    started_at       timestamptz,
    stopped_at       timestamptz,
    -- When the recorder was last known to be at it.
    heard_at         timestamptz not null,
    duration_seconds integer,
    size_bytes       bigint,
    -- Since when the recorder is known to be done with it, whatever became of it.
    settled_at       timestamptz,
    constraint recordings_pkey primary key (id),
    constraint recordings_egress_key unique (egress_id),
    constraint recordings_session_fkey foreign key (session_id) references sessions (id)
);
-- At most one at a time in a session.
create unique index recordings_one_open on recordings (session_id) where status in ('STARTING', 'RECORDING');
create index recordings_by_session on recordings (session_id, requested_at desc);
-- What the reconciler looks at.
create index recordings_unsettled on recordings (heard_at) where settled_at is null;
