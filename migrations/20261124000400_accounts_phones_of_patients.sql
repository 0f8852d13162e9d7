-- A phone is a sign-in name of patients alone (connect-v2 2); doctors give theirs to be called, and may share one.

alter table accounts drop constraint accounts_phone_key;
create unique index accounts_phone_key on accounts (phone) where role = 'client';
