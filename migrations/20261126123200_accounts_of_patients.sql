-- The admins' list of patients (connect-v2 122): the newest first, and by part of a phone.
create index accounts_of_patients on accounts (created_at desc, id desc) include (is_active) where role = 'client';
create index accounts_by_phone_part on accounts using gin (phone gin_trgm_ops) where role = 'client';
