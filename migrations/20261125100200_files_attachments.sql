-- Uploaded files: attachments of consultations, documents of patients (reports), recordings that an app made, pictures of
-- people (connect-v2 §3.9, §3.11, §3.20). A file arrives under `upload_key`, for which a client has an address; once it
-- was looked at it stands under `stored_key`, for which nobody has (docs/decisions/020).

create table attachments (
    id            uuid        not null,
    scope         text        not null constraint attachments_scope_known
        check (scope in ('PROFILE', 'SESSION', 'REPORT', 'RECORDING')),
    session_id    uuid,
    uploader_id   uuid        not null,
    uploader_role text        not null,
    filename      text        not null,
    content_type  text        not null,
    size_bytes    bigint      not null constraint attachments_size_positive check (size_bytes > 0),
    upload_mode   text        not null constraint attachments_upload_mode_known check (upload_mode in ('SAS', 'DIRECT')),
    status        text        not null constraint attachments_status_known
        check (status in ('PENDING', 'UPLOADED', 'DELETED')),
    upload_key    text,
    stored_key    text,
    link_ends_at  timestamptz,
    created_at    timestamptz not null,
    uploaded_at   timestamptz,
    deleted_at    timestamptz,
    constraint attachments_pkey primary key (id),
    constraint attachments_session_fkey foreign key (session_id) references sessions (id),
    constraint attachments_uploader_fkey foreign key (uploader_id) references accounts (id),
    constraint attachments_session_of_scope check ((scope = 'PROFILE') = (session_id is null)),
    constraint attachments_stored_when_uploaded check (status <> 'UPLOADED' or stored_key is not null)
);
create index attachments_of_session on attachments (session_id, scope, created_at desc, id desc)
    where status = 'UPLOADED';
create index attachments_of_profile on attachments (uploader_id, created_at desc, id desc)
    where status = 'UPLOADED' and scope = 'PROFILE';
create index attachments_pending on attachments (created_at) where status = 'PENDING';
