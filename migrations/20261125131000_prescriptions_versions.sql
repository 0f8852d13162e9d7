-- Every version of a prescription is kept (connect-v2 §6, 28): what a pharmacist was shown can be read again. Append only:
-- the server may add and read, nothing else.
create table prescription_versions (
    prescription_id uuid        not null,
    version         integer     not null,
    medications     jsonb       not null,
    notes           text,
    written_by      uuid        not null,
    written_at      timestamptz not null,
    constraint prescription_versions_pkey primary key (prescription_id, version),
    constraint prescription_versions_prescription_fkey foreign key (prescription_id) references prescriptions (id)
);
revoke update, delete, truncate on prescription_versions from consilium_app;

insert into prescription_versions (prescription_id, version, medications, notes, written_by, written_at)
select id, version, medications, notes, doctor_id, updated_at from prescriptions;

-- The rendered PDF of the newest version, where somebody has asked for it: a key in the file store.
create table prescription_pdfs (
    prescription_id uuid        not null,
    version         integer     not null,
    key             text        not null,
    generated_at    timestamptz not null,
    constraint prescription_pdfs_pkey primary key (prescription_id),
    constraint prescription_pdfs_prescription_fkey foreign key (prescription_id) references prescriptions (id)
);
